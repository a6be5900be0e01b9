"""The programs that compare.py runs, in sets, and the bars that they are held to."""

import shutil
import subprocess

# program: (way, "added" milliseconds, "times" native, "times one CPU", or "at most" milliseconds, limit)
BARS = {
    "true": [("record", "added", 3), ("replay", "added", 4)],
    "ls -la, 1,500 files": [("record", "times", 12), ("replay", "times", 9)],
    "300,000 small calls": [],
    "one thread computes": [("record", "times", 1.05)],
    "spin ping-pong, 5,000": [("record", "at most", 30_000), ("replay", "at most", 30_000)],
    "make -j2 of C++": [("record", "times one CPU", 1)],
    "xargs -P2": [("record", "times one CPU", 1)],
    "pipeline that computes": [("record", "times one CPU", 1)],
}
SETS = ("programs", "threads", "parallel")
# Of the set of whole programs, those that have no bar of their own: times native, to record and to replay.
EVERYTHING_ELSE = [("record", "times", 15), ("replay", "times", 15)]


def bars_of(kind, program):
    return BARS.get(program, EVERYTHING_ELSE if kind == "programs" else [])


class Programs:
    """Prepared in a folder `root`. `small_calls` and `threads` are programs of this directory's build."""

    def __init__(self, root, small_calls, threads):
        self.root = root
        self.small_calls = small_calls
        self.thread_program = threads

    def shell(self, text):
        subprocess.run(["bash", "-ec", text], cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def prepare(self, kind):
        getattr(self, f"prepare_{kind}")()

    def list(self, kind):
        """Each program's name, its command, and what is to be done before each run."""
        return getattr(self, kind)()

    def prepare_programs(self):
        self.shell("mkdir -p many && cd many && for i in $(seq 1500); do : > file_$i; done")
        self.shell("seq 1 8000000 | head -c 50000000 > fifty_megabytes")
        if shutil.which("git"):
            self.shell("""mkdir repo && cd repo && git init -q && for d in $(seq 50); do mkdir d$d;
              for f in $(seq 100); do echo $d $f > d$d/f$f; done; done
              git add . && git -c user.name=n -c user.email=e@x commit -qm all""")
        self.shell("""mkdir project && cd project && for i in $(seq 40); do
          printf '#include <stdio.h>\\n#include <stdlib.h>\\nint f%d(int x) { return x * %d + rand(); }\\n' $i $i > f$i.c; done
          printf 'OBJS := $(patsubst %%.c,%%.o,$(wildcard *.c))\\nall: $(OBJS)\\n%%.o: %%.c\\n\\tgcc -c $<\\n' > Makefile""")
        self.shell("for i in $(seq 200); do echo /bin/true; done > two_hundred.sh")

    def programs(self):
        yield "true", ["/bin/true"], None
        yield "ls -la, 1,500 files", ["ls", "-la", "many"], None
        yield "python3 print(1)", ["/usr/bin/python3", "-c", "print(1)"], None
        yield "gzip 50 MB", ["gzip", "-1", "-k", "-f", "fifty_megabytes"], None
        yield "git status, 5,000 files", ["git", "-c", "core.preloadIndex=false", "-C", "repo", "status", "--short"], None
        yield "gcc -c", ["gcc", "-c", "project/f1.c", "-o", "one.o"], None
        yield "make -j2, 40 files", ["make", "-s", "-j2", "-C", "project"], "rm -f project/*.o"
        yield "300,000 small calls", [self.small_calls, "300000"], None
        yield "bash, 200 programs", ["bash", "two_hundred.sh"], None

    def prepare_threads(self):
        (self.root / "redis.sh").write_text("""
          redis-server --port 0 --unixsocket "$PWD/redis.sock" --save '' --appendonly no > redis.log 2>&1 &
          for i in $(seq 200); do redis-cli -s redis.sock ping > /dev/null 2>&1 && break; sleep 0.05; done
          redis-benchmark -s redis.sock -t set,get -n 5000 -q
          redis-cli -s redis.sock shutdown nosave; wait
        """)

    def threads(self):
        yield "one thread computes", [self.thread_program, "compute", "800"], None
        yield "mutex ping-pong, 5,000", [self.thread_program, "mutex", "5000"], None
        yield "spin ping-pong, 50", [self.thread_program, "spin", "50"], None
        yield "spin ping-pong, 5,000", [self.thread_program, "spin", "5000"], None
        yield "pool of 8", [self.thread_program, "pool", "2000"], None
        if shutil.which("redis-benchmark"):
            yield "redis-benchmark", ["bash", "redis.sh"], None
        if shutil.which("node"):
            yield "node", ["node", "-e", "console.log(1)"], None

    def prepare_parallel(self):
        self.shell("""mkdir cpp && cd cpp && for i in $(seq 6); do
          printf '#include <map>\\n#include <string>\\nint f%d() { return std::map<std::string, int>{{"a", 1}}["a"]; }\\n' $i > f$i.cc
          done
          printf 'OBJS := $(patsubst %%.cc,%%.o,$(wildcard *.cc))\\nall: $(OBJS)\\n%%.o: %%.cc\\n\\tg++ -O1 -c $<\\n' > Makefile""")
        self.shell("seq 1 4000000 | head -c 25000000 > text; for i in 1 2 3 4; do cp text text$i; done")

    def parallel(self):
        yield "make -j2 of C++", ["make", "-s", "-j2", "-C", "cpp"], "rm -f cpp/*.o"
        yield "xargs -P2", ["bash", "-c", "ls text? | xargs -P2 -n1 sh -c 'gzip -c $0 > $0.gz'"], None
        yield "pipeline that computes", ["bash", "-c", "gzip -c text | xz -0 -c > text.gz.xz"], None
