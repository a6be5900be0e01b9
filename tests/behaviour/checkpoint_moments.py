"""C01: programs at work, checkpointed at moments that nobody chose, killed, restored; they end as an undisturbed run does.

Each is run once undisturbed, which tells how long it takes and what it says, and then once for each moment.
RETAKE_MOMENTS is how many there are; which ones RETAKE_SEED decides.
"""

import os
import random
import subprocess
import time

import engine
from checkpoint_bench import SEED, expect, free_port, functions_of_strings, need
from engine import Failure

MOMENTS = int(os.environ.get("RETAKE_MOMENTS") or engine.times(2))

# A client that has its server for a child: the tree has both ends of each connection.
CLIENT = """
import http.client, os, socket, subprocess, sys, time
def server(*command):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
def connect(port):
    for _ in range(3000):
        try: return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError: time.sleep(0.01)
"""

ASYNCIO = """
import asyncio, sys
async def answer(reader, writer):
    async for line in reader:
        writer.write(line.upper())
        await writer.drain()
    writer.close()
async def client(port, me):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for n in range({times 200 40}):
        words = f"client {me} says {n}\\n".encode()
        writer.write(words * 3)
        for _ in range(3):
            if await reader.readline() != words.upper(): sys.exit("a wrong answer")
        if n % 20 == 0 and me == 0: print(n)
        await asyncio.sleep(0.002)
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(client(port, me) for me in range(8)))
    print("done")
asyncio.run(main())
"""

REDIS = CLIENT + """
port = int(sys.argv[1])
redis = server("redis-server", "--port", str(port), "--save", "")
s = connect(port); f = s.makefile("rb")
for n in range(1, {times 6000 1500} + 1):
    s.sendall(b"INCR counter\\r\\n" if n % 10 else b"RPUSH list %d\\r\\n" % n)
    got = f.readline()
    if got != b":%d\\r\\n" % (n - n // 10 if n % 10 else n // 10): sys.exit(f"{n}: {got}")
    if n % 500 == 0: print(n)
s.sendall(b"GET counter\\r\\nLLEN list\\r\\n"); print(f.readline(), f.readline(), f.readline())
s.sendall(b"SHUTDOWN NOSAVE\\r\\n"); print(redis.wait())
"""

STREAM = """
import hashlib, os, random, socket, sys, threading
# Faster sent than read: what waits fills the buffers of both ends.
l = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(l.getsockname()); d, _ = l.accept()
data = random.Random(5).randbytes(1 << 20)
if os.fork() == 0:
    d.close(); l.close()
    for _ in range({times 60 10}): c.sendall(data)
    c.shutdown(socket.SHUT_WR); print("told", c.recv(9)); os._exit(0)
c.close()
sum = hashlib.sha256(); total = 0
while (got := d.recv(50000)): sum.update(got); total += len(got)
print(total, sum.hexdigest()); d.send(b"thanks"); print(os.wait()[1])
"""

WEBHOOK = CLIENT + """
port = int(sys.argv[1])
open("hooks.json", "w").write('[{"id": "up", "execute-command": "/bin/echo", "include-command-output-in-response": true, '
  '"pass-arguments-to-command": [{"source": "url", "name": "n"}]}]')
web = server("webhook", "-hooks", "hooks.json", "-ip", "127.0.0.1", "-port", str(port))
connect(port).close()
c = http.client.HTTPConnection("127.0.0.1", port)
for n in range({times 150 30}):
    c.request("GET", f"/hooks/up?n=number{n}")
    got = c.getresponse().read()
    if got != f"number{n}\\n".encode(): sys.exit(f"{n}: {got}")
    if n % 15 == 0: print(n)
web.terminate(); web.wait(); print("done")
"""

NODE = """
const http = require("http");
const server = http.createServer((q, a) => a.end(q.url.toUpperCase()));
server.listen(0, "127.0.0.1", async () => {
  const agent = new http.Agent({keepAlive: true, maxSockets: 4});
  const ask = n => new Promise((done, fail) => http.get({port: server.address().port, host: "127.0.0.1", path: "/n" + n, agent},
    r => { let s = ""; r.on("data", d => s += d); r.on("end", () => done(s)); }).on("error", fail));
  for (let n = 0; n < {times 300 60}; n++) {
    const got = await Promise.all([ask(n), ask(n + 1), ask(n + 2)]);
    if (got[2] !== "/N" + (n + 2)) { console.log("wrong", got); process.exit(1); }
    if (n % 30 == 0) console.log(n);
  }
  console.log("done"); process.exit(9);
});
"""

JAVA = """
import java.io.*; import java.net.*; import java.util.*;
public class Server {
  public static void main(String[] a) throws Exception {
    ServerSocket l = new ServerSocket(0, 9, InetAddress.getByName("127.0.0.1"));
    Thread t = new Thread(() -> { try { for (;;) { Socket s = l.accept(); new Thread(() -> serve(s)).start(); } } catch (Exception e) {} });
    t.setDaemon(true); t.start();
    Socket[] s = new Socket[4]; BufferedReader[] in = new BufferedReader[4];
    for (int i = 0; i < 4; i++) { s[i] = new Socket("127.0.0.1", l.getLocalPort()); in[i] = new BufferedReader(new InputStreamReader(s[i].getInputStream())); }
    List<byte[]> garbage = new ArrayList<>();
    for (int n = 0; n < {times 2000 400}; n++) {
      s[n % 4].getOutputStream().write(("word " + n + "\\n").getBytes());
      if (!in[n % 4].readLine().equals("WORD " + n)) System.exit(3);
      garbage.add(new byte[20000]); if (garbage.size() > 500) garbage.clear();
      if (n % 200 == 0) System.out.println(n);
    }
    System.out.println("done"); System.exit(8);
  }
  static void serve(Socket s) {
    try { BufferedReader in = new BufferedReader(new InputStreamReader(s.getInputStream()));
      for (String w; (w = in.readLine()) != null; ) s.getOutputStream().write((w.toUpperCase() + "\\n").getBytes()); } catch (Exception e) { System.exit(4); }
  }
}
"""

SQLITE = """
import sqlite3
base = sqlite3.connect("data.db", isolation_level=None)
base.execute("create table t (n integer primary key, s text)")
for batch in range(60):
    base.execute("begin immediate")
    for n in range(200): base.execute("insert into t values (?, ?)", (batch * 200 + n, "x" * n))
    base.execute("commit")
    if batch % 6 == 0: print(batch)
print(base.execute("select count(*), sum(n), sum(length(s)) from t").fetchone(), base.execute("pragma integrity_check").fetchone())
"""

FORK_SERVER = """
import multiprocessing as mp, time
from multiprocessing import shared_memory
def work(name, n):
    m = shared_memory.SharedMemory(name); m.buf[n] = n * 3 % 251; m.close(); time.sleep(0.002); return n * n
if __name__ == "__main__":
    mp.set_start_method("forkserver")
    m = shared_memory.SharedMemory(create=True, size=4096)
    with mp.Pool(3) as pool:
        total = 0
        results = [pool.apply_async(work, (m.name, n)) for n in range({times 600 120})]
        for i, r in enumerate(results):
            total += r.get()
            if i % 60 == 0: print(i)
    print(total, sum(m.buf[:600])); m.close(); m.unlink()
"""

THREADS = """
import threading, time
turn, condition, said = 0, threading.Condition(), []
def work(me):
    global turn
    for i in range(60):
        with condition:
            condition.wait_for(lambda: turn % 8 == me)
            said.append(me); turn += 1
            if me == 0 and i % 6 == 0: print(i)
            condition.notify_all()
        time.sleep(0.005)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print("done", said == [n for _ in range(60) for n in range(8)])
"""

PIPELINE = """i=0
while [ $i -lt {times 150 50} ]; do i=$((i+1)); echo line $i; sleep 0.01; done |
  while read a b; do echo "got $b $(echo $b | md5sum | cut -c1-6)"; done
exit 5"""


def python(program, *arguments):
    def command(bench):
        path = bench.place.bin / "program.py"
        path.write_text(engine.scaled(program))
        return ["/usr/bin/python3", "-u", str(path), *(word() for word in arguments)]
    return program_at_moments(command)


def port():
    return str(free_port())


def java_server(bench):
    need("java", "javac")
    source = bench.place.bin / "Server.java"
    source.write_text(engine.scaled(JAVA))
    if not source.with_suffix(".class").exists():
        subprocess.run(["javac", "-d", str(bench.place.bin), str(source)], check=True, timeout=120 * engine.SLOWNESS)
    return ["java", "-Xmx64m", "-cp", str(bench.place.bin), "Server"]


def compilation(bench):
    code = functions_of_strings(3)
    (bench.place.work / "a.cc").write_text(code)
    (bench.place.work / "b.cc").write_text(code.replace("bool f", "bool g"))
    (bench.place.work / "Makefile").write_text("all: a.o b.o\n%.o: %.cc\n\tg++ -O1 -c $<\n")
    return ["make", "-j2"]


def compression(bench):
    (bench.place.work / "data").write_bytes(random.Random(SEED).randbytes(1 << 20) * engine.times(12, 2))
    return ["xz", "-T2", "data"]


def vim_script(bench):
    need("script", "vim")
    (bench.place.work / "script.vim").write_text(
        "for i in range(150)\n  call append('$', 'line ' . i)\n  normal G\n  redraw\n  sleep 8m\nendfor\nwq! text\n")
    return ["/bin/sh", "-c", "exec script -qfc 'vim -u NONE -n -S script.vim' /dev/null > /dev/null"]


class Attempt:
    """One run: its output, its files and how it ended."""

    def __init__(self, bench, status):
        self.said = bench.text()
        self.status = status
        self.files = {str(path.relative_to(bench.place.work)): path.read_bytes()
                      for path in sorted(bench.place.work.rglob("*")) if path.is_file()}


def program_at_moments(command):
    def case(bench):
        def start():
            bench.place.fresh_work()
            words = command(bench)
            return bench.start(*words, keep_work=True)

        def compare(found, wanted):
            expect(found.status, wanted.status, "its exit status")
            expect(found.said, wanted.said, "what it said")
            for name in sorted(found.files | wanted.files):
                if found.files.get(name) != wanted.files.get(name):
                    raise Failure(f"the file {name} isn't what an undisturbed run makes")

        moments = random.Random(int(os.environ.get("RETAKE_SEED") or SEED))
        begin = time.monotonic()
        start()
        wanted = Attempt(bench, bench.process.wait(timeout=120 * engine.SLOWNESS))
        length = time.monotonic() - begin
        print(f"undisturbed: {length:.2f} s, exit {wanted.status}")
        def checkpoint_at(moment):
            """False if it has ended by then."""
            start()
            time.sleep(moment)
            try:
                bench.checkpoint()
            except Failure:
                if bench.process.poll() is None:
                    raise
                compare(Attempt(bench, bench.process.returncode), wanted)
                return False
            return True

        for _ in range(MOMENTS):
            moment = moments.uniform(0.02, 0.9) * length
            while not checkpoint_at(moment):
                moment *= 0.7
            print(f"at {moment:.3f} s", flush=True)
            bench.restore(status=wanted.status)
            compare(Attempt(bench, wanted.status), wanted)
    return case


MOMENT_CASES = {
    "C01_moments_pipeline": program_at_moments(lambda bench: ["/bin/bash", "-c", engine.scaled(PIPELINE)]),
    "C01_moments_threads": python(THREADS),
    "C01_moments_asyncio": python(ASYNCIO),
    "C01_moments_redis": python(REDIS, port),
    "C01_moments_stream": python(STREAM),
    "C01_moments_threaded_server": program_at_moments(lambda bench: [str(bench.tools / "threaded_server")]),
    "C01_moments_go_server": python(WEBHOOK, port),
    "C01_moments_node": program_at_moments(lambda bench: ["node", "-e", engine.scaled(NODE)]),
    "C01_moments_java": program_at_moments(java_server),
    "C01_moments_sqlite": python(SQLITE),
    "C01_moments_fork_server": python(FORK_SERVER),
    "C01_moments_compilation": program_at_moments(compilation),
    "C01_moments_compression": program_at_moments(compression),
    "C01_moments_vim": program_at_moments(vim_script),
}
