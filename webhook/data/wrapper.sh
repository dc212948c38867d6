# The wrapper around a task. It waits until the sidecars are ready, runs the task, sends each sidecar its quit request, and exits with the task's code.
#
#   sh -c "asw_script=<this text in single quotes>; eval \"$asw_script\"" airflow-sidecar-webhook OPTION... -- WORD...
#
#   --busybox PROGRAM                   use the programs of this busybox instead of the image's; the first option, since it is read first
#   --wait-seconds SECONDS              how long to wait for the sidecars; 0 does not wait
#   --when-not-ready fail|run           what to do when a sidecar is not ready by then, or stops before it is ready
#   --quit always|after:CODES|not-after:CODES
#                                       after which exit codes of the task quit requests are sent (after:0,3); not after one for which the
#                                       kubelet runs the task again beside the same sidecars (restartPolicy OnFailure, restartPolicyRules)
#   --sidecar NAME READY ALIVE QUIT     READY and ALIVE are PORT/PATH, QUIT is METHOD:PORT/PATH, - stands for none;
#                                       quit requests are sent in the order of these options
#   --try-entrypoint WORD... --end-try  a possible entrypoint; the first one whose programs exist in the image runs before WORD...
#   --entrypoint-source SOURCE          ignored here: the webhook reads it when it sees the pod again
#
# Rules for this text; tests enforce them. No single quote. No dollar before a parenthesis or another dollar, since the kubelet expands
# those in command and args. Nothing on stdout. Every variable starts with asw_, since any other name could be a variable of the task.
# Full-line comments are removed before the text goes into a pod.

# Until there are traps, an INT ends dash and busybox also as process 1, where the kernel ignores every other signal without a handler.
case ${$} in 1) trap : 2 ;; esac

# A bash takes options (SHELLOPTS) and functions from the environment: undo both. In POSIX mode, which this variable starts, no function is
# called instead of unset, set, eval or exec. The others are those that are used until bash -p starts, which takes no functions.
POSIXLY_CORRECT=1
set +aeuvx -f
unset FUNCNEST
unset -f command declare env printf tr ulimit
asw_nl="
"
asw_busybox=
case $1 in
  --busybox) asw_busybox=$2 ;;
esac

# The environment of this process at its start, one entry a line; \001 stands for a line break in a value. The path has the process id,
# since /proc/self would be the child that runs tr.
# The first line is the limit of open files. With a low one, some shells end silently, and others go on without their redirections. The second
# line is \001, by the same process.
asw_vars=`ulimit -n; printf "\001\n"; exec 2>/dev/null; $asw_busybox tr "\000\n" "\n\001" </proc/${$}/environ`
asw_files=${asw_vars%%"$asw_nl"*}
case $asw_files in
  unlimited | [1-9][0-9][0-9]* | [2-9][0-9] | 1[6-9]) ;;
  *)
    # A message of the shell itself, since some shells cannot redirect printf now.
    (: "${asw_files_needed:?the wrapper cannot work here: fewer than 16 files may be open. The task was not started}")
    exit 71
    ;;
esac
asw_vars=${asw_vars#"$asw_files$asw_nl"}
asw_mark=${asw_vars%%"$asw_nl"*}
asw_vars=${asw_vars#"$asw_mark"}
# A tr that cannot be used prints something else, or nothing: without the PATH of this shell, this is not the environment.
case $asw_vars$asw_nl in *"${asw_nl}PATH=$PATH$asw_nl"*) ;; *) asw_vars= ;; esac
asw_bash=
# In POSIX mode bash before 5.1 says that this is no name of a function, and leaves one of this name.
{ unset -f "["; declare asw_bash=yes; } >/dev/null 2>&1

# Reads the environment once more where \001 may occur in it: with the first control character that does not occur, \001 where all do.
asw_choose_mark() {
  for asw_octal in 01 02 03 04 05 06 16 17 20 21 22 23 24 25 26 27 30 31 01; do
    asw_octal="\0$asw_octal"
    [ -n "`$asw_busybox tr -cd "$asw_octal" <"/proc/${$}/environ"`" ] || break
  done
  asw_mark=`printf "%b" "$asw_octal"`
  asw_vars=`$asw_busybox tr "\000\n" "\n$asw_octal" <"/proc/${$}/environ"`
}

# asw_find NAME: whether there is such a program: that of this path, else the one that PATH has for this name, as execvp(3) finds it. Sets
# asw_found to its path, or to one that gives 126 or 127 as the name would.
asw_find() {
  asw_found=$1
  case $1 in
    */*) ;;
    *)
      asw_found= asw_rest=$PATH: IFS=:
      for asw_word in $asw_rest; do
        asw_word=${asw_word:-.}/$1
        [ ! -f "$asw_word" ] || asw_found=$asw_word
        [ ! -x "$asw_found" ] || break
      done
      IFS=" "
      : "${asw_found:=$asw_word}"
      ;;
  esac
  [ -f "$asw_found" ] && [ -x "$asw_found" ]
}

# There is no way back from exec, so a program of the image is tried before the wrapper becomes it. The file of its name may be a text or a
# script for another shell, may lack a library or a permission, or may end with 0 and do nothing. Its stdin is not the task's.

# asw_try WORD...: whether this program, a child of this shell, prints asw_ok=1, and nothing else.
asw_try() {
  [ "`exec "$@" </dev/null 2>/dev/null`" = "asw_ok=1" ]
}

# Whether env becomes a program. That of uutils before 0.2 stays its parent, so no signal would reach the task: the parent must be a shell.
asw_by_env="$asw_busybox env -u asw_ok -- asw_ok=0"
asw_try_env() {
  asw_rest=`exec $asw_by_env $asw_busybox cat /proc/self/stat </dev/null 2>/dev/null`
  asw_rest=${asw_rest##*) ? }
  [ "/proc/${asw_rest%% *}/exe" -ef "/proc/${$}/exe" ]
}

# asw_exec WORD...: becomes this program, with the environment of the start. A shell would add PWD and the like, drop names that are not
# identifiers, and overwrite its own variables. env takes a program with = in its name for a variable, so such a program runs without env.
asw_exec() {
  case $1 in *=*) exec "$@" ;; esac
  [ -n "$asw_vars" ] || exec "$@"
  [ -n "$asw_env" ] || asw_try_env || exec "$@"
  case $asw_vars in *"$asw_mark"*) asw_choose_mark ;; esac
  IFS=$asw_nl
  for asw_entry in $asw_vars; do
    asw_name=${asw_entry%%=*}
    [ "$asw_name" != "$asw_entry" ] || continue
    case $asw_name in
      asw_* | _ | *PWD | SHLVL | IFS | PS[124] | OPT* | LINE* | COLUMNS | PPID | *UID | GROUPS | SECONDS | EPOCH* | *RANDOM) ;;
      SHELLOPTS | BASH* | DIRSTACK | FUNC* | HISTCMD | COMP_* | POSIXLY_CORRECT) ;;
      "" | [0-9]* | *[!a-zA-Z0-9_]*) ;;
      *) continue ;;
    esac
    case $asw_entry in
      *"$asw_mark"*)
        asw_entry=`printf "%s." "$asw_entry" | $asw_busybox tr "$asw_octal" "\n"`
        asw_entry=${asw_entry%.}
        ;;
    esac
    set -- "$asw_entry" "$@"
  done
  IFS=" "
  # What is unset is set again where the environment has it.
  exec $asw_busybox env -u _ -u PWD -u OLDPWD -u SHLVL -u POSIXLY_CORRECT -u asw_script -- "$@"
}

# asw_choose_fd NUMBER...: sets asw_free to the first of these descriptors that is not open, else to the last: what is open may be the
# task's, from a program that starts the wrapper.
asw_choose_fd() {
  for asw_free in "$@"; do [ -e "/proc/${$}/fd/$asw_free" ] || return 0; done
}

# asw_is_bash PROGRAM: whether this is a bash that executes commands. Sets asw_env if env works too, both here and in that bash, which does not
# search PATH as each shell does: all are tried in one process. Its parent is this shell if env has become it.
asw_is_bash() {
  asw_find "$1" || return
  asw_try $asw_by_env "$1" -p -c "declare asw_bash && [ \$PPID = ${$} ] && exec $asw_by_env $asw_busybox env -i asw_ok=1" && { asw_env=yes; return; }
  asw_try "$1" -p -c "declare asw_bash && printf \"asw_ok=1\""
}

# Continue in bash where the image has it: only bash can restore the default SIGINT and SIGQUIT in a background child, and its /dev/tcp
# needs no curl. -p ignores BASH_ENV and takes no functions or options from the environment, so a bash without it is replaced too. Until the
# text runs stderr is closed: bash warns there of a locale that the image does not have.
case $- in
  *p*) ;;
  *)
    asw_shell=bash asw_env=
    [ -z "$asw_bash" ] || asw_shell=$BASH
    if asw_is_bash "$asw_shell"; then
      asw_script="asw_env=$asw_env$asw_nl$asw_script"
      if [ -e "/proc/${$}/fd/2" ]; then
        asw_choose_fd 9 8 7 6 5 4 3 9
        eval "exec $asw_free>&2 2>/dev/null"
        asw_script="exec 2>&$asw_free $asw_free>&-$asw_nl$asw_script"
      fi
      asw_exec "$asw_shell" -p -c "$asw_script" "$0" "$@"
    fi
    ;;
esac
[ -z "$asw_bash" ] || set +o posix

asw_log() {
  printf "%s: %s\n" "$0" "$*" >&2
}

asw_tool() {
  $asw_busybox "$@"
}

# The pause between two rounds of requests. Nothing is ever written to the pipe for this read of bash.
asw_pause() {
  if [ -n "$asw_pipe" ]; then
    read -r -t "$asw_nap" asw_rest <&"$asw_pipe"
  else
    # In a subshell, so that only its own stderr is dropped, not that of a trap.
    (asw_tool sleep "$asw_nap" || asw_tool sleep 1) </dev/null >/dev/null 2>&1
  fi
}

# Sets asw_now: whole seconds, by a clock that never goes back: since boot, else of the shell or the system. Without any of them each call
# is a second, since the pauses are then of a second. Only bash uses read alone: in busybox 1.38.0 read never returns once a signal was
# trapped (https://github.com/vda-linux/busybox_mirror/issues/16).
asw_clock() {
  asw_last=${asw_now:-0} asw_now=
  case $asw_bash$asw_source in
    yesuptime) read -r asw_now asw_rest </proc/uptime ;;
    yessystem) asw_now=$SECONDS ;;
    uptime) asw_now=`asw_tool cat </proc/uptime 2>/dev/null` ;;
    system) asw_now=`asw_tool date +%s </dev/null 2>/dev/null` ;;
  esac
  asw_now=${asw_now%%[!0-9]*}
  asw_nap=0.05
  [ -z "$asw_now" ] || return 0
  asw_nap=1
  eval "asw_now=\$""((asw_last + 1))"
  return 1
}

# Sets asw_source to the first clock that can be read.
asw_choose_clock() {
  for asw_source in uptime system none; do asw_now=; asw_clock 2>/dev/null && return; done
}

# asw_set_end SECONDS: sets asw_end, on the clock of asw_now, to at least SECONDS and less than SECONDS + 1 from now.
# The eval avoids a dollar before a parenthesis in this text.
asw_set_end() {
  asw_clock
  eval "asw_end=\$""((asw_now + $1 + 1))"
}

# Whether asw_end is still to come.
asw_in_time() {
  asw_clock
  [ "$asw_now" -lt "$asw_end" ]
}

# asw_limited WORD...: runs a program for 2 s at most. It kills, since TERM may be ignored here.
asw_limited() {
  [ -z "$asw_limit" ] || { asw_tool $asw_limit "$@"; return; }
  "$@" &
  asw_set_end 2
  while kill -0 "$!" 2>/dev/null && asw_in_time; do asw_pause; done
  kill -KILL "$!" 2>/dev/null
}

# Each asw_http_CLIENT METHOD HOST PORT PATH prints the HTTP status, refused where there is no connection, or nothing: no status in 2 s.

asw_http_curl() {
  asw_status=`curl -q -g -s -o /dev/null -m 2 --noproxy "*" -X "$1" -w "%{http_code}" "http://$2:$3$4"`
  case $?$asw_status in
    7000) printf refused ;;
    *000) ;;
    *) printf "%s" "$asw_status" ;;
  esac
}

asw_http_wget() {
  asw_url=http://$2:$3$4
  case $1 in GET) set -- ;; *) set -- --post-data "" ;; esac
  asw_reply=`asw_wget -S -O /dev/null -t 1 "$@" "$asw_url"`
  while :; do
    case $asw_reply in
      *HTTP/1.[01]\ 1[0-9][0-9]*HTTP/1.[01]*) asw_reply=${asw_reply#*HTTP/1.[01] } ;;
      *HTTP/1.[01]\ [1-5][0-9][0-9]*) asw_reply=${asw_reply#*HTTP/1.[01] }; printf "%.3s" "$asw_reply"; return ;;
      *refused* | *"an.t assign"* | *unreachable* | *"an.t connect"*) printf refused; return ;;
      *) return ;;
    esac
  done
}

# asw_wget WORD...: runs wget in a subshell of the caller. A wget that prints no status succeeds with one of 2xx. Its output is cut: wget
# prints every field of a head, which may never end.
asw_wget() {
  unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
  # A wgetrc may name a proxy too.
  export LC_ALL=C no_proxy=127.0.0.1,::1
  { asw_limited $asw_busybox wget "$@" 2>&1 && printf "HTTP/1.1 200"; } | asw_tool $asw_cut
}

asw_http_python3() {
  python3 -I -S -c "import signal, socket, sys
method, host, port, path = sys.argv[1:]
signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.alarm(2)
try: s = socket.create_connection((host.strip(\"[]\"), port))
except OSError: sys.exit(print(\"refused\", end=\"\"))
s.sendall(f\"{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n\".encode())
f = s.makefile(\"rb\")
status = [49]
while status[0] == 49: status = f.readline(99).split()[1]; status[0] == 49 and any(0 for _ in iter(lambda: f.readline(9999).strip(), b\"\"))
print(int(status), end=\"\")" "$@"
}

# asw_can_run PROGRAM: whether this HTTP client starts and says what it is: the image may lack it, it may lack a library or a permission, or do
# nothing. Only wget has no limit for all of a request, so it is tried with the programs that limit its output and its time, and without those
# that cannot be used. busybox before 1.30 has another form of timeout.
asw_can_run() {
  [ -n "$asw_busybox" ] || asw_find "$1" || return
  for asw_cut in "head -c 9999" cat; do
    for asw_limit in "timeout -s KILL 2" "timeout -t 2 -s KILL" ""; do
      case `{ if [ "$1" = wget ]; then asw_wget --help; else "$1" --version; fi; } </dev/null 2>/dev/null` in
        "curl "* | "Python "* | *"sage: wget"*) return ;;
      esac
    done
  done
  return 1
}

# Sets asw_http to the first HTTP client of the image that can run. A bash that was built without /dev/tcp has no /dev/udp either, and reports
# that the file does not exist. UDP, since its connect sends nothing: that of TCP would wait here for whatever listens on that port.
asw_choose_http() {
  asw_http=none
  [ -z "$asw_pipe" ] || case `{ LC_ALL=C; exec 8<>/dev/udp/127.0.0.1/1; } 2>&1` in
    *"No such file"*) ;;
    *) asw_http=bash ;;
  esac
  for asw_name in ${asw_busybox:+wget} curl wget python3; do
    [ "$asw_http" != none ] || ! asw_can_run "$asw_name" || asw_http=$asw_name
  done
  if [ "$asw_http" = none ]; then
    asw_log "this image has no bash, curl, wget or python3 that can run: the task does not wait for its sidecars, and they may keep the pod Running." \
      "Set the annotation $0/shell to helper"
    asw_sidecars=
  fi
}

# asw_request METHOD PORT/PATH: sets asw_answer to the HTTP status, to refused (no connection), or to no answer (no status within 2 s).
# It tries 127.0.0.1, then ::1, where a sidecar may listen instead.
asw_request() {
  for asw_host in 127.0.0.1 "[::1]"; do
    if [ "$asw_http" = bash ]; then
      asw_by_pipe "$1" "$asw_host" "${2%%/*}" "/${2#*/}"
    else
      asw_answer=`"asw_http_$asw_http" "$1" "$asw_host" "${2%%/*}" "/${2#*/}" </dev/null 2>/dev/null`
    fi
    : "${asw_answer:=no answer}"
    [ "$asw_answer" = refused ] || return 0
  done
}

# asw_receive SENDER: sets asw_answer to what this sender writes to the pipe within 2 s, and acts on a signal at once. What an earlier
# sender has written too late is dropped. No IFS before this read, nor before the others during which a trap may run: bash before 4.4 then
# reads with one that is freed.
asw_receive() {
  asw_sender=
  until [ "$asw_sender" = "$1" ]; do
    read -r -t 2 asw_sender asw_answer <&"$asw_pipe" || { asw_answer=; return 1; }
  done
}

# asw_by_pipe METHOD HOST PORT PATH: sends the request in a child, since a connect of bash may take minutes. Whoever disowns a child gets no line
# of bash when it is killed; a wait instead would have to drop its stderr, and with it that of a trap.
asw_by_pipe() {
  asw_http_bash "$@" >/dev/null 2>&1 &
  disown "$!" 2>/dev/null
  asw_receive "$!" || asw_end_request
  asw_finished=$!
}

# Kills the child of a request that has no answer yet: the request took too long, or a signal came. The child is known by $! alone, since a
# trap may run before any command that follows the fork.
asw_end_request() {
  [ "$!" != "$asw_finished" ] || return 0
  disown "$!" 2>/dev/null
  kill -KILL "$!" 2>/dev/null
}

asw_http_bash() {
  # A sidecar that closes the connection must not kill this process.
  trap "" PIPE
  # A bash takes a timeout for read from the environment.
  unset TMOUT
  asw_answer=refused asw_host=${2#\[}
  if exec 8<>"/dev/tcp/${asw_host%\]}/$3"; then
    printf "%s %s HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" "$1" "$4" "$3" >&8
    while IFS=" " read -r -n 99 asw_rest asw_answer asw_rest <&8; do
      case $asw_answer in 1??*) ;; *) break ;; esac
      while IFS= read -r -n 9999 asw_rest <&8 && [ -n "${asw_rest%?}" ]; do :; done
    done
    asw_answer=${asw_answer%%[!0-9]*}
    [ "${#asw_answer}" = 3 ] || asw_answer=
  fi
  printf "%s %s\n" "$BASHPID" "$asw_answer" >&"$asw_pipe"
}

# asw_check NAME READY ALIVE QUIT: one readiness check of one sidecar. Adds its name to asw_ready, or to asw_alive when it answers in
# another way. Sets asw_waiting to a sidecar that is not ready, and asw_gone to one that answered before and refuses connections now.
asw_check() {
  [ "$2" != - ] || return 0
  case $asw_ready in *" $1 "*) return 0 ;; esac
  asw_request GET "$2"
  case $asw_answer in 2??) asw_ready="$asw_ready$1 "; return 0 ;; esac
  if [ "$asw_answer" = refused ] && [ "$3" != - ]; then asw_request GET "$3"; fi
  case $asw_answer in
    refused) ! asw_was_up "$1" || asw_gone=$1 ;;
    [1-5]??) asw_was_up "$1" || asw_alive="$asw_alive$1 " ;;
  esac
  asw_waiting=$1
}

# Waits until all sidecars are ready. Otherwise sets asw_unready to the reason: the time is over, or a sidecar that answered before has
# refused connections for 1 s. Such a sidecar has stopped, and restartPolicy Never does not start it again.
asw_wait_ready() {
  asw_unready= asw_refusing=
  [ "$asw_seconds" -gt 0 ] || return 0
  asw_set_end "$asw_seconds"
  asw_wait_end=$asw_end
  while :; do
    asw_waiting= asw_gone=
    asw_each asw_check
    [ -n "$asw_waiting" ] || return 0
    if [ "$asw_gone" != "$asw_refusing" ]; then
      asw_refusing=$asw_gone
      asw_set_end 1
    fi
    asw_clock
    if [ "$asw_now" -ge "$asw_wait_end" ]; then
      asw_unready="sidecar $asw_waiting was not ready after $asw_seconds s"
      return
    elif [ -n "$asw_gone" ] && [ "$asw_now" -ge "$asw_end" ]; then
      asw_waiting=$asw_gone
      asw_unready="sidecar $asw_gone stopped before it was ready (it refuses connections)"
      return
    fi
    asw_pause
  done
}

# asw_each FUNCTION: calls FUNCTION for every sidecar, with the four values of its option.
asw_each() {
  IFS=$asw_nl
  for asw_line in $asw_sidecars; do
    IFS=" "
    "$1" $asw_line
  done
  IFS=" "
}

# asw_was_up NAME: whether this sidecar has answered a request.
asw_was_up() {
  case $asw_ready$asw_alive in *" $1 "*) ;; *) return 1 ;; esac
}

# asw_quit NAME READY ALIVE QUIT: sends one sidecar its quit request until it is accepted, for 3 s at most. A sidecar that was up and refuses the connection has
# stopped. One that was never up may still start, for example while its image is pulled, and would then never end: so the request is
# repeated until 60 s after the start of the wrapper. A sidecar may stop before it has sent its answer, so a request without an answer is repeated.
asw_quit() {
  [ "$4" != - ] || return 0
  [ -z "$asw_quitting" ] || asw_wait_gone "$asw_quitting"
  asw_quitting=${4#*:}
  asw_set_end 3
  [ -n "$asw_term" ] || asw_was_up "$1" || [ "$asw_end" -ge "$asw_start_end" ] || asw_end=$asw_start_end
  while :; do
    asw_request "${4%%:*}" "$asw_quitting"
    case $asw_answer in
      2??) break ;;
      refused)
        ! asw_was_up "$1" || break
        if [ "$asw_term" = new ]; then asw_term=seen; asw_set_end 3; fi
        ;;
      40[1345])
        asw_quit_failed "$1 answered $asw_answer to" "$4" "its quit endpoint is not enabled"
        break
        ;;
      *)
        asw_was_up "$1" || { asw_alive="$asw_alive$1 "; asw_set_end 3; }
        ;;
    esac
    asw_in_time || { asw_quit_failed "$1 did not accept" "$4" "$asw_answer"; break; }
    asw_pause
  done
}

# asw_quit_failed WHAT QUIT WHY
asw_quit_failed() {
  asw_quitting=
  asw_log "sidecar $1 ${2%%:*} http://localhost:${2#*:} ($3), so the pod may stay Running until it is deleted"
}

# asw_wait_gone PORT/PATH: waits until this port refuses connections, for 5 s at most. The last requests of one sidecar may go through the
# next one: a secrets agent through the mesh proxy.
asw_wait_gone() {
  asw_set_end 5
  while :; do
    asw_request GET "${1%%/*}/"
    [ "$asw_answer" != refused ] || return 0
    asw_in_time || return 0
    asw_pause
  done
}

# The signals that are forwarded: all that a runtime may send as STOPSIGNAL. By number, since the shells know different names. Not those that
# report a fault of the process itself, that stop it, or that it may not catch.
asw_signals="1 2 3 6 10 12 14 15 16 18 23 24 25 26 27 28 29 30 31 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64"

# asw_trap ACTION: the action of these signals. Whoever calls this has no more use for another IFS.
asw_trap() {
  IFS=" "
  trap -- "$1" $asw_signals
}

# As process 1 the wrapper ends what the task has left behind: without the wrapper the kernel would do so now. Otherwise they could fill
# the limit of processes, and no quit request could be sent. While SIGCHLD is ignored the kernel reaps them, since dash would need a fork.
asw_end_leftovers() {
  [ "${$}" = 1 ] || return 0
  trap "" CHLD
  kill -KILL -1 2>/dev/null
  asw_rest=0
  while kill -0 -1 2>/dev/null && [ "$asw_rest" -lt 20000 ]; do eval "asw_rest=\$""((asw_rest + 1))"; done
  trap - CHLD
}

# asw_finish CODE: sends the quit requests, and exits. The wrapper ends nowhere else.
asw_finish() {
  asw_trap ""
  # TERM and its like mean that the pod is being deleted: stop waiting for a sidecar that was never up.
  trap ": \${asw_term:=new}" 1 2 3 15
  asw_code=$1
  [ "$asw_state" != running ] || asw_end_leftovers
  asw_state=finishing
  case $asw_quit_on, in
    not-after*[:,]"$1",*) ;;
    always, | not-after* | after*[:,]"$1",*)
      asw_quitting=
      asw_each asw_quit
      ;;
  esac
  asw_state=finished
  exit "$1"
}

# Runs whenever the wrapper exits, also where the shell gives up by itself: it cannot fork, or has no descriptor left.
asw_exit() {
  trap - EXIT
  asw_end_request
  case $asw_state in
    finished) ;;
    finishing) asw_log "no process can be started, so not every sidecar got its quit request, and the pod may stay Running until it is deleted" ;;
    *)
      asw_code=71
      asw_log "the wrapper cannot work here: its shell has ended. The task was not started, or its end was not waited for"
      ;;
  esac
  exit "$asw_code"
}

# asw_send NUMBER: sends the task a signal. Without CAP_KILL no user may signal a task that has changed to another one. But root may change
# the user too, as the task could, so that a process of that user sends the signal.
asw_send() {
  # Twice, since a signal that arrives meanwhile may change the status; and no fork once the task has ended.
  kill "-$1" "$asw_child" 2>/dev/null || kill -0 "$asw_child" 2>/dev/null || [ ! -e "/proc/$asw_child" ] || asw_send_as_user "$1"
}

# asw_send_as_user NUMBER: as the user of the task. Nothing is to be done where that is the wrapper's own: then other signals that arrived
# meanwhile have changed the status of `kill` twice. setpriv by its path, since that of a busybox cannot change the user.
asw_send_as_user() {
  asw_user=`asw_tool cat "/proc/$asw_child/status" /proc/self/status </dev/null 2>/dev/null`
  case $asw_user in *Uid:*) ;; *) return 0 ;; esac
  asw_own=${asw_user##*Uid:?}
  asw_user=${asw_user#*Uid:?}
  asw_user=${asw_user%%[!0-9]*}
  [ "$asw_user" != "${asw_own%%[!0-9]*}" ] || return 0
  set -- "$1" "kill -$1 $asw_child && printf \"asw_ok=1\""
  asw_find setpriv
  asw_try "$asw_found" --reuid="$asw_user" $asw_busybox sh -c "$2" || asw_try gosu "$asw_user" $asw_busybox sh -c "$2" ||
    asw_try python3 -I -S -c "import os; os.setuid($asw_user); os.kill($asw_child, $1); print(\"asw_ok=1\")" ||
    asw_log "signal $1 does not reach the task: it runs as user $asw_user, which the wrapper may not signal"
}

# asw_signal NUMBER: forwards the signal to the task. Before the task was started HUP, INT, QUIT and TERM end the wrapper instead; the others
# are ignored then, as by any process 1 without a handler.
asw_signal() {
  case $asw_state in
    running) asw_send "$1" ;;
    starting) asw_pending="$asw_pending $1" ;;
    *)
      case $1 in
        1) asw_name=HUP ;;
        2) asw_name=INT ;;
        3) asw_name=QUIT ;;
        15) asw_name=TERM ;;
        *) return 0 ;;
      esac
      asw_end_request
      asw_log "received SIG$asw_name before the task was started: the task will not run"
      asw_term=seen
      eval "asw_finish \$""((128 + $1))"
      ;;
  esac
}

# Waits for the task and sets asw_code. The stderr of wait is dropped, since shells report there that a signal killed a child. A signal to the
# wrapper makes wait return too, with 128 + n, which could also be the code of the task. So once the child is gone a second wait reads its
# code; it returns 127 where the first one has read it already.
asw_wait_task() {
  while :; do
    wait "$asw_waited" 2>/dev/null
    asw_code=$?
    # A task of another user is there, though it may not be signalled.
    kill -0 "$asw_waited" 2>/dev/null || [ -e "/proc/$asw_waited" ] || break
  done
  asw_trap ""
  if [ -n "$asw_pipe" ]; then
    if asw_receive code; then
      asw_code=$asw_answer
    else
      # The task has killed all other processes, which process 1 alone survives. Without its parent its code is unknown.
      asw_log "the task has killed the process that waits for it: its exit code is unknown, and 137 is reported"
      while [ -e "/proc/$asw_child" ]; do asw_pause; done
    fi
  else
    wait "$asw_waited" 2>/dev/null
    asw_rest=$?
    [ "$asw_rest" = 127 ] || asw_code=$asw_rest
  fi
}

# A busybox may prefer its own programs to those of PATH (FEATURE_PREFER_APPLETS, as in Debian), in its shell and in its env: it gets a path.
asw_task() {
  asw_trap -
  if [ -n "$asw_pipe" ]; then
    printf "task %s\n" "$BASHPID" >&"$asw_pipe"
    eval "exec $asw_pipe<&-"
  fi
  asw_find "$1"
  if [ "$asw_found" != "$1" ] && asw_try $asw_by_env "PATH=/dev/null" env -i "asw_ok=1"; then
    shift
    set -- "$asw_found" "$@"
  fi
  asw_exec "$@"
}

asw_start_task() {
  eval "asw_task \"\$@\" <&$asw_free $asw_free<&- &"
}

# asw_supervise WORD...: runs the task as a child, and writes its process id and its exit code to a pipe. Only bash needs this process: it
# loses the code of a child that ends just as a signal arrives (its trap leaves waitpid by longjmp), and this process ignores all signals.
asw_supervise() {
  # bash 5.3 and later cannot restore INT and QUIT in a background child of a shell that ignores them.
  asw_trap :
  asw_start_task "$@"
  asw_trap ""
  wait "$!" 2>/dev/null
  printf "code %s\n" "$?" >&"$asw_pipe"
}

# Whether the child still has the traps of this shell: it loses a signal that arrives before it resets them, in the order of their numbers,
# and the last is 64. By the executable, since another program may catch that signal too; a task that is such a shell is the rare case
# for which the caller counts. SigCgt (proc_pid_status(5)) has a bit for each signal that is caught, from 64 to 1.
asw_has_traps() {
  [ "/proc/$asw_child/exe" -ef "/proc/${$}/exe" ] || return 1
  case `asw_tool cat "/proc/$asw_child/status" </dev/null` in *SigCgt:?[89a-f]*) ;; *) return 1 ;; esac
}

asw_start() {
  # A shell connects the stdin of a background child to /dev/null unless it is redirected.
  asw_choose_fd 9 8 7 6 5 4 3 9
  eval "{ command exec $asw_free<&0; } 2>/dev/null || exec $asw_free</dev/null"
  if [ -n "$asw_pipe" ]; then
    asw_supervise "$@" &
    asw_waited=$!
    until asw_receive task || ! kill -0 "$asw_waited" 2>/dev/null; do :; done
    asw_child=$asw_answer
    # Without a child, that process could not be started, and bash has said so.
    ${asw_child:+:} asw_finish 71
  else
    asw_start_task "$@"
    asw_waited=$! asw_child=$!
    asw_rest=
    # Without stderr: the task may kill cat, which shells report there. A trap writes nothing yet.
    while asw_has_traps && [ "${#asw_rest}" -lt 200 ]; do asw_rest=.$asw_rest; done 2>/dev/null
  fi
  asw_finished=$!
  eval "exec $asw_free<&-"
}

# asw_exists WORD...: whether the programs of this entrypoint exist in the image.
asw_exists() {
  for asw_name in "$@"; do [ "$asw_name" = -- ] || asw_find "$asw_name" || return; done
}

asw_seconds=120 asw_on_unready=fail asw_quit_on=always asw_sidecars= asw_entrypoint= asw_words=
asw_ready=" " asw_alive=" " asw_pending= asw_pipe= asw_term= asw_state=starting
# A pipe, open for reading and writing. In an eval, since the other shells cannot parse it. It is never 8, which asw_http_bash uses, nor 9,
# which asw_start uses where no other is free. Not the lowest one that is free: with few files, <(:) itself has that for a moment.
# Before any trap, since bash 5.2 loses a signal that arrives while it parses <(:): the trap becomes a part of what is parsed.
asw_choose_fd 7 6 5 4 3 7
if [ -n "$asw_bash" ] && eval "exec $asw_free<> <(:)" 2>/dev/null; then asw_pipe=$asw_free; fi
asw_finished=$!
for asw_name in $asw_signals; do trap "asw_signal $asw_name" "$asw_name"; done
# Last: from the first trap for EXIT on, bash keeps a handler of its own for signals without a trap, and may lose one that arrives then.
trap asw_exit EXIT

while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    --wait-seconds) asw_seconds=$2 ;;
    --when-not-ready) asw_on_unready=$2 ;;
    --quit) asw_quit_on=$2 ;;
    --sidecar)
      asw_sidecars="$asw_sidecars$2 $3 $4 $5$asw_nl"
      shift 3
      ;;
    --try-entrypoint)
      asw_words=
      shift
      while [ "$1" != --end-try ]; do
        asw_words="$asw_words$1$asw_nl"
        shift
      done
      shift
      IFS=$asw_nl
      if [ -z "$asw_entrypoint" ] && asw_exists $asw_words; then asw_entrypoint=$asw_words; fi
      IFS=" "
      continue
      ;;
  esac
  shift 2
done
shift

asw_hint="this image has no known entrypoint. Set the annotation $0/entrypoint"
if [ -n "$asw_words" ] && [ -z "$asw_entrypoint" ]; then asw_log "only the args run: $asw_hint"; fi
IFS=$asw_nl
set -- $asw_entrypoint "$@"
IFS=" "
asw_choose_clock
asw_set_end 60
asw_start_end=$asw_end
[ -z "$asw_sidecars" ] || asw_choose_http
# A signal so far has waited until the sidecars and a client are known.
asw_state=waiting
for asw_name in $asw_pending; do asw_signal "$asw_name"; done
asw_pending=
asw_wait_ready

if [ -n "$asw_unready" ]; then
  asw_result="was not started"
  [ "$asw_on_unready" != run ] || asw_result="runs anyway"
  asw_log "$asw_unready: the task $asw_result. Read the log of container $asw_waiting"
  [ "$asw_on_unready" = run ] || asw_finish 69
fi
if [ "$#" = 0 ]; then
  asw_log "nothing to run: $asw_hint"
  asw_finish 127
fi

asw_state=starting
asw_start "$@"
asw_state=running
for asw_name in $asw_pending; do asw_send "$asw_name"; done
asw_wait_task
asw_finish "$asw_code"
