"""Programs that are checkpointed, killed and restored, and go on as if nothing had been.

Each case starts a program with its output in a file, waits until it has said something, takes a
checkpoint, ends it, restores it, and looks at what it says then: by itself, or beside an undisturbed
run. A program that has to wait for that looks for a file named "go", made after the restore.
"""

import argparse
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

import checkpoint_connections as connections
import checkpoint_descriptors as descriptors
import checkpoint_failures as failures
import checkpoint_files as files
import checkpoint_kernels as kernels
import checkpoint_lazy as lazy
import checkpoint_matrix as matrix
import checkpoint_moments as moments
import checkpoint_programs as programs
import checkpoint_sessions as sessions
import checkpoint_state as state
import engine
from checkpoint_bench import Bench
from engine import Failure

CASES = {
    "C01_python": programs.python_counts,
    "C01_python_large": programs.python_large,
    "C01_python_threads": programs.python_threads,
    "C01_bash_pipeline": programs.bash_pipeline,
    "C01_redis": programs.redis,
    "C01_sqlite_transaction": programs.sqlite_transaction,
    "C01_node": programs.node,
    "C01_java": programs.java,
    "C01_compiler_under_make": programs.compiler_under_make,
    "C01_compressor": programs.compressor,
    "C01_vim_under_tmux": programs.vim_under_tmux,
    "C01_terminal_of_leader": programs.terminal_of_leader,
    "C01_terminal_of_job": programs.terminal_of_job,
    "C02_semaphores": programs.semaphores,
    "C01_asked_for_by_itself": programs.asked_for_by_itself,
    "C02_tree": programs.tree,
    "C02_daemon": sessions.daemon,
    "C02_interrupted": sessions.interrupted,
    "C02_pipeline_in_front": sessions.pipeline_in_front,
    "C02_elders": sessions.elders,
    "C02_job_of_shell": sessions.job_of_shell,
    "C02_taken_again": sessions.taken_again,
    "C02_processes": programs.processes,
    "C02_maps_more_than_its_child": programs.maps_more_than_its_child,
    "C04_state": state.state,
    "C02_leader_exited": state.leader_exited,
    "C04_attributes": state.attributes,
    "C04_posix_timers": state.posix_timers,
    "C04_calls_in_progress": state.calls_in_progress,
    "C04_restarted_calls": state.restarted_calls,
    "C04_stopped": state.stopped,
    "C05_tcp_closed": connections.closed,
    "C05_tcp_strangers": connections.strangers,
    "C05_tcp_at_once_again": connections.at_once_again,
    "C05_tcp_in_use": connections.in_use,
    "C05_tcp_elsewhere": connections.elsewhere,
    "C05_udp_elsewhere": connections.datagrams_from_elsewhere,
    "C05_tcp_elsewhere_killed": connections.elsewhere_killed,
    "C06_memory": state.memory,
    "C06_hugetlb": state.hugetlb,
    "C06_memory_comes_later": lazy.comes_later,
    "C06_memory_server_killed": lazy.server_killed,
    "C06_memory_checkpoint_meanwhile": lazy.checkpoint_meanwhile,
    "C07_copied_while_running": state.copied_while_running,
    "C08_losses": failures.losses,
    "C08_one_thread_confined": failures.one_thread_confined,
    "C08_failures": failures.failures,
    "C02_several_at_once": failures.several_at_once,
    "C08_killed_at_work": failures.killed_at_work,
    "C08_changed_files": failures.changed_files,
    "C08_changed_shared_memory": failures.changed_shared_memory,
    "C08_restored_at_once": failures.restored_at_once,
    "C08_restore_killed": failures.restore_killed,
    "C08_restore_killed_late": failures.restore_killed_late,
    "C08_many_times": failures.many_times,
    "C09_damaged": failures.damaged,
    "C09_inspected": failures.inspected,
    "C05_matrix_files": matrix.matrix("files"),
    "C05_matrix_kernel_objects": matrix.matrix("kernel_objects"),
    "C05_matrix_memory": matrix.matrix("memory"),
    "C05_matrix_sockets": matrix.matrix("sockets"),
    "C01_self_contained": files.self_contained,
    "C01_self_contained_without_open_files": files.self_contained_without_open_files,
    "C01_another_kernels_vdso": kernels.another_vdso,
    "C01_clocks_after_reboot": kernels.clocks_after_reboot,
    "C05_matrix_tasks": matrix.matrix("tasks"),
}
CASES.update(moments.MOMENT_CASES)
CASES.update({f"C05_{kind}": descriptors.descriptors(kind) for kind in descriptors.DESCRIPTORS})


def again_with_huge_pages(count=16):
    """This case in another process, while the machine makes huge pages when they are asked for. One test at a time may."""
    setting = pathlib.Path("/proc/sys/vm/nr_overcommit_hugepages")
    before = setting.read_text()
    try:
        setting.write_text(str(int(before) + count))
    except OSError as error:
        print(f"no huge pages: {error}")
        return 77  # what ctest calls skipped
    try:
        return subprocess.run([sys.executable, "-B", *sys.argv], env={**os.environ, "RETAKE_HUGE_PAGES": "there"},
                              check=False).returncode
    finally:
        setting.write_text(before)


def become_ordinary_user(options, place):
    """Nobody, with what is needed where nobody can reach it."""
    if os.geteuid() != 0:
        return
    tools = place.root / "tools"
    shutil.copytree(options.tools, tools, ignore=lambda directory, names: [n for n in names if n.endswith((".cmake", "CMakeFiles"))])
    options.tools = tools
    options.retake = shutil.copy(options.retake, place.root / "retake")
    for path in (place.root, *(place.root / name for name in ("work", "home", "cache", "store", "tmp", "bin"))):
        os.chown(path, 65534, 65534)
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


def leave_others_semaphores():
    """Moves to System V objects of the test's own, where that is allowed. What else runs on the machine may use some, and
    a checkpoint has to take them for the program's: nothing tells whose a semaphore's last operation was."""
    CLONE_NEWIPC = 0x08000000
    ctypes.CDLL(None).unshare(CLONE_NEWIPC)


def run(options):
    place = engine.Place(options.case)
    if options.ordinary_user:
        become_ordinary_user(options, place)
    bench = Bench(options.retake, place)
    bench.tools = options.tools
    bench.new_pids = options.in_container
    try:
        CASES[options.case](bench)
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    finally:
        engine.kill_descendants()
        place.remove()
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--tools", required=True, type=pathlib.Path)
    parser.add_argument("--case", required=True, choices=CASES)
    parser.add_argument("--ordinary-user", action="store_true", help="without any capability")
    parser.add_argument("--in-container", action="store_true", help="confined as a container is; the pids become new ones")
    options = parser.parse_args()
    if options.in_container and "RETAKE_IN_CONTAINER" not in os.environ:
        os.environ["RETAKE_IN_CONTAINER"] = "1"
        os.execv(options.tools / "container_like", ["container_like", sys.executable, "-B", *sys.argv])
    engine.become_subreaper()
    leave_others_semaphores()
    if options.case == "C06_hugetlb" and os.environ.get("RETAKE_HUGE_PAGES") != "there":
        return again_with_huge_pages()
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
