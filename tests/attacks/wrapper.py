"""The attacks on the wrapper. Each is a test of tests/wrapper: what was tried, what bounds it, and the tests that try it again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1] / "wrapper"


@dataclass(frozen=True, slots=True)
class WrapperAttack:
    """An attack by a sidecar, a task or the pod's environment.

    Args:
        tried: What was tried.
        bound: What bounds it.
        tests: The tests, as ``FILE::FUNCTION`` without ``.py``.

    """

    tried: str
    bound: str
    tests: tuple[str, ...]


WRAPPER_ATTACKS: Final = (
    WrapperAttack(
        "a sidecar with a full accept queue; an answer that comes byte by byte, or whose head or body never ends",
        "each request ends after 2 s; without the bound of a connect, bash waited for minutes",
        (
            "test_hostile_sidecars::test_a_request_without_an_answer_is_given_up_after_2_s",
            "test_pid_one::test_process_one_gives_up_a_quit_that_has_no_answer",
        ),
    ),
    WrapperAttack(
        "a listener on port 1 with a full accept queue",
        "no connection shows whether bash has `/dev/tcp`, but a UDP socket, which sends nothing; a connection to port 1 took two minutes,"
        " and a TERM waited for it",
        (
            "test_hostile_sidecars::test_what_listens_on_port_1_delays_no_request",
            "test_pid_one::test_what_listens_on_port_1_delays_no_request_of_process_one",
        ),
    ),
    WrapperAttack(
        "a TERM while a connection is never established",
        "the process that connects is killed before the wrapper ends; it would have run for two minutes, with the descriptors of the wrapper",
        (
            "test_hostile_sidecars::test_a_term_ends_the_wait_for_a_connection_that_is_never_established",
            "test_pid_one::test_a_term_ends_the_wait_of_process_one_for_such_a_connection",
        ),
    ),
    WrapperAttack(
        "a status line without a reason phrase, answers of 100 to 199 before the 200, an endless body, a redirect",
        "a 200 is a 200; a redirect is an answer that is not 2xx",
        (
            "test_hostile_sidecars::test_an_unusual_answer_of_200_is_a_200",
            "test_hostile_sidecars::test_a_redirect_is_not_ready",
            "test_pid_one::test_process_one_reads_unusual_answers",
        ),
    ),
    WrapperAttack(
        "a head with fields that never end, to the wget of busybox, which prints each",
        "the first 9,999 bytes of its output are read",
        ("test_hostile_sidecars::test_a_head_that_never_ends_takes_no_memory",),
    ),
    WrapperAttack(
        "a task that leaves processes behind until no other can be started (podPidsLimit)",
        "as process 1 the wrapper ends them; its exit code is the task's, whatever fails. Where it is not process 1, bash tries for 15 s,"
        " and one line says what was not sent",
        (
            "test_limits::test_leftovers_that_fill_the_limit_of_processes_are_ended_and_the_sidecars_quit",
            "test_limits::test_where_no_process_can_be_started_the_exit_code_is_the_tasks_and_one_line_says_so",
        ),
    ),
    WrapperAttack(
        "a task of another user, and a wrapper that is root without CAP_KILL, or not root (`sudo` in the task)",
        "of root, a process of that user sends the signal; else one line",
        (
            "test_capabilities::test_a_process_of_the_tasks_user_sends_the_signal",
            "test_pid_one::test_a_process_of_the_tasks_user_sends_the_signal_of_process_one",
            "test_capabilities::test_a_signal_that_cannot_be_sent_is_reported_in_one_line",
            "test_pid_one::test_process_one_reports_a_signal_that_it_cannot_send",
        ),
    ),
    WrapperAttack(
        "every signal that an image can stop by (WINCH, PWR, ALRM, CONT, RTMIN+3, …)",
        "it reaches the task; before the task HUP, INT, QUIT and TERM end the wrapper, and the others are ignored",
        (
            "test_signals::test_every_signal_that_an_image_may_stop_by_reaches_the_task",
            "test_signals::test_signals_that_do_not_end_a_process_one_do_not_end_the_wait",
            "test_pid_one::test_process_one_forwards_every_signal_that_an_image_may_stop_by",
        ),
    ),
    WrapperAttack(
        "signals at any moment: a burst, as the task ends, as it starts, before the wrapper knows its sidecars and its HTTP client, an INT"
        " before it has any trap",
        "no code is lost; a signal waits until the sidecars are known, and until the child has reset its traps; as process 1 the wrapper"
        " ignores an INT before that, as the kernel does without it",
        (
            "test_signals::test_a_burst_of_signals_never_hides_the_exit_code",
            "test_signals::test_a_term_that_comes_as_the_task_ends_does_not_hide_its_code",
            "test_signals::test_term_at_any_moment_of_the_start_ends_the_container",
            "test_signals::test_a_signal_while_the_wrapper_is_set_up_ends_it_and_the_sidecars_quit",
            "test_pid_one::test_an_int_while_process_one_is_set_up_changes_nothing",
        ),
    ),
    WrapperAttack(
        "a task that kills all other processes",
        "it runs to its end; in bash its exit code is lost: 137 and a line. No shell reports that a program of the wrapper was killed",
        (
            "test_pid_one::test_a_task_that_kills_all_other_processes_runs_to_its_end",
            "test_pid_one::test_a_task_that_has_become_root_and_kills_all_other_processes_runs_to_its_end",
            "test_pid_one::test_a_task_that_kills_a_program_of_the_wrapper_is_not_reported",
        ),
    ),
    WrapperAttack(
        "fewer than 16 open files; `noexec` in SHELLOPTS",
        "the wrapper ends with 71 and a line; bash that runs as sh ends with 2 and a line for `noexec`",
        (
            "test_limits::test_with_a_low_limit_of_open_files_the_task_runs_or_a_code_and_a_line_say_that_it_does_not",
            "test_transparency::test_noexec_in_the_environment_is_never_taken_for_a_success",
            "test_pid_one::test_process_one_that_cannot_work_ends_with_a_code_and_a_line",
        ),
    ),
    WrapperAttack(
        "an unreadable `/proc/uptime`",
        "bash's `SECONDS`, `date +%s`, or counted pauses",
        (
            "test_waiting::test_without_a_readable_uptime_the_wait_ends_by_another_clock",
            "test_pid_one::test_without_a_readable_uptime_process_one_measures_its_times_by_another_clock",
        ),
    ),
    WrapperAttack(
        "exported functions named as the wrapper's commands, control characters in variables",
        "`bash -p` takes no functions; the environment comes from `/proc`",
        (
            "test_transparency::test_exported_functions_of_any_name_change_nothing",
            "test_transparency::test_odd_names_and_values_arrive_byte_by_byte",
            "test_transparency::test_control_characters_and_line_breaks_in_one_value_arrive",
            "test_pid_one::test_process_one_is_as_transparent_as_any_other_wrapper",
        ),
    ),
    WrapperAttack(
        "`FUNCNEST`, `keyword` in SHELLOPTS, variables named like the wrapper's",
        "FUNCNEST is unset for the wrapper; the task gets its own values",
        (
            "test_transparency::test_limits_and_options_of_bash_in_the_environment_change_nothing",
            "test_transparency::test_every_variable_that_a_shell_interprets_keeps_its_value",
        ),
    ),
    WrapperAttack(
        "a program that the image has and that cannot be used (`bash`, `env`, an HTTP client, `tr`, `timeout`, …): a script for another shell, a"
        " text with the permission to execute, a missing library or permission, one that ends with 0 and does nothing, an `env` that stays the parent"
        " of what it starts (uutils before 0.2)",
        "each is tried before the wrapper becomes it or relies on it, with no input; else the image's sh goes on, without it",
        (
            "test_unusable_programs::test_a_bash_that_cannot_be_used_is_not_used",
            "test_unusable_programs::test_an_env_that_cannot_be_used_is_not_used",
            "test_unusable_programs::test_an_env_that_stays_the_parent_of_its_program_is_not_used",
            "test_pid_one::test_process_one_does_not_use_an_env_that_stays_the_parent_of_its_program",
            "test_unusable_programs::test_a_tool_that_cannot_be_used_changes_nothing",
            "test_unusable_programs::test_an_http_client_that_cannot_be_used_is_not_used",
            "test_capabilities::test_a_setpriv_that_does_nothing_is_not_taken_for_a_signal_that_was_sent",
        ),
    ),
    WrapperAttack(
        "a task's program that is given by its name (`timeout`, `find`, `tar`), beside a busybox that prefers its own programs of these names, as"
        " Debian's",
        "the wrapper searches `PATH` itself and starts the program by its path; without that the task was another program, with other options and"
        " exit codes",
        (
            "test_programs_by_name::test_a_program_by_its_name_is_the_images",
            "test_programs_by_name::test_a_program_that_the_image_does_not_have_or_may_not_execute_is_not_the_busyboxs",
        ),
    ),
    WrapperAttack(
        "`TMOUT` in the environment, bash's timeout for each read",
        "it is unset for a request; the task gets its own value",
        ("test_transparency::test_a_timeout_for_read_in_the_environment_shortens_no_request",),
    ),
    WrapperAttack(
        "`OPTIND` with another value than a number",
        "**not bounded**: dash ends with 2 before it reads the script, so the task does not run and the sidecars keep running; bash and"
        " busybox ignore it",
        ("test_transparency::test_a_dash_that_refuses_the_environments_optind_ends_before_the_wrapper_begins",),
    ),
    WrapperAttack(
        "a locale that the image does not have",
        "stderr is closed while bash starts; where sh is bash, it warns before the wrapper begins",
        (
            "test_transparency::test_a_locale_that_the_image_does_not_have_prints_no_warning",
            "test_pid_one::test_a_locale_that_the_image_does_not_have_prints_no_warning_of_process_one",
        ),
    ),
    WrapperAttack(
        "a proxy in the environment, in `.curlrc` or `.wgetrc`; modules named as Python's own, and `sitecustomize`",
        "`-q`, `--noproxy`, `no_proxy`, `-I -S`",
        (
            "test_quitting::test_proxies_in_the_environment_are_not_used",
            "test_http_tools::test_no_file_of_settings_or_module_of_the_task_changes_a_request",
        ),
    ),
    WrapperAttack(
        "a start file in `BASH_ENV`, of a command that starts with bash",
        "the wrapper's own shell is that bash in POSIX mode, which runs no start file; else the file ran twice, with its output and an `exit` in it",
        (
            "test_transparency::test_a_start_file_of_the_bash_that_a_command_starts_with_runs_once",
            "test_transparency::test_start_files_named_in_the_environment_are_not_run",
        ),
    ),
    WrapperAttack(
        "descriptors that a program before the wrapper has opened",
        "the wrapper uses two that are not open",
        ("test_transparency::test_descriptors_that_a_launcher_leaves_open_reach_the_task",),
    ),
)


def table() -> str:
    """The attacks as a table of docs/attacks.md."""
    rows = [f"| {it.tried} | {it.bound} | {', '.join(f'`{name}`' for name in it.tests)} |" for it in WRAPPER_ATTACKS]
    return "\n".join(["| what was tried | what bounds it | tests |", "|---|---|---|", *rows])


def try_again() -> int:
    """Run the tests; the exit status of pytest."""
    names = [f"{TESTS}/{name.replace('::', '.py::')}" for attack in WRAPPER_ATTACKS for name in attack.tests]
    return subprocess.run([sys.executable, "-m", "pytest", "--quiet", *names], check=False).returncode
