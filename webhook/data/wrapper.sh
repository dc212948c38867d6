# The wrapper around a task: waits until the sidecars are ready, runs the task, asks each sidecar to quit, ends with the code of the task.
#
#   sh -c "asw_script=<this text in single quotes>; eval \"$asw_script\"" airflow-sidecar-webhook OPTION... -- ARGV...
#
#   --wait SECONDS                      how long to wait for readiness; 0 does not wait
#   --late fail|run                     what to do when that time is over, or when a sidecar is gone before it was ready
#   --quit always|success               success: only after code 0 (restartPolicy OnFailure runs the task again beside the same sidecars)
#   --sidecar NAME READY ALIVE QUIT     READY and ALIVE are PORT/PATH, QUIT is METHOD:PORT/PATH, - is none; asked to quit in this order
#   --try WORD... --end                 an entrypoint for images that cannot be seen from the pod: the first one whose programs exist is used
#   --entrypoint SOURCE                 for the webhook alone: where the words before the args came from
#   --busybox PROGRAM                   the programs of this busybox instead of those in the image
#
# Laws of this text, each held by a test: no single quote, no dollar followed by a parenthesis or a dollar (the kubelet expands those in
# command and args), nothing on stdout, every variable starts with asw_ (another name could be the task's own, exported one).
# Full-line comments are dropped before it goes into a pod.

# A bash that is called sh takes options (SHELLOPTS) and functions from the environment.
set +aeuvx -f
unset -f command curl declare env kill printf python3 read sleep timeout tr wait wget
asw_bash=
declare asw_bash=yes 2>/dev/null
asw_nl="
"
asw_mark=`printf "\001"`

# The environment this process was started with, one entry a line; a line break in a value is \001. By number: /proc/self would be the
# child that becomes tr, and what it was started with is gone by then.
asw_environ=`{ tr "\000\n" "\n\001" </proc/${$}/environ; } 2>/dev/null`

# Runs a program in that environment. Shells add PWD and the like, drop names that are no identifiers, and overwrite names of their own.
# To env a program with = in its name would be a variable.
asw_exec() {
  case $1 in *=*) exec "$@" ;; esac
  [ -n "$asw_environ" ] || exec "$@"
  command -v env >/dev/null 2>&1 || exec "$@"
  asw_seen=" "
  IFS=$asw_nl
  for asw_entry in $asw_environ; do
    asw_name=${asw_entry%%=*}
    [ "$asw_name" != "$asw_entry" ] || continue
    case $asw_name in
      _ | PWD | OLDPWD | SHLVL | IFS | PS[124] | OPT* | LINENO | PPID | UID | EUID | GROUPS | SECONDS | RANDOM | SRANDOM) ;;
      EPOCHSECONDS | EPOCHREALTIME | SHELLOPTS | BASHOPTS | BASH* | DIRSTACK | FUNCNAME | HISTCMD | LINES | COLUMNS | COMP_* | POSIXLY_CORRECT) ;;
      "" | [0-9]* | *[!a-zA-Z0-9_]*) ;;
      *) continue ;;
    esac
    case $asw_entry in
      *"$asw_mark"*)
        asw_entry=`printf "%s." "$asw_entry" | tr "\001" "\n"`
        asw_entry=${asw_entry%.}
        ;;
    esac
    asw_seen="$asw_seen$asw_name "
    set -- "$asw_entry" "$@"
  done
  IFS=" "
  set -- -- "$@"
  for asw_name in _ PWD OLDPWD SHLVL asw_script; do
    case $asw_seen in *" $asw_name "*) ;; *) set -- -u "$asw_name" "$@" ;; esac
  done
  exec env "$@"
}
if [ -n "$asw_bash" ]; then set +o posix; fi

# Only bash can give a background child its default SIGINT and SIGQUIT back, and its /dev/tcp needs no curl.
# -p: no BASH_ENV file, and no functions or options from the environment, so a bash that is called sh is left for it too.
case $- in
  *p*) ;;
  *) if command -v bash >/dev/null 2>&1; then asw_exec bash -p -c "$asw_script" "$0" "$@"; fi ;;
esac

asw_say() {
  printf "%s: %s\n" "$0" "$*" >&2
}

asw_tool() {
  ${asw_busybox:+"$asw_busybox"} "$@"
}

# In a process of its own, as everything that is silenced while signals may come: what a trap says would be silenced with it.
asw_nap() {
  (asw_tool sleep 0.05 || asw_tool sleep 1) 2>/dev/null
}

# Whole seconds since boot, which nobody sets back. Sets asw_now. Without a process in bash alone: read never returns in busybox 1.38.0 once
# a signal was trapped (https://github.com/vda-linux/busybox_mirror/issues/16).
asw_clock() {
  asw_now=
  [ -n "$asw_bash" ] || asw_now=`asw_tool cat /proc/uptime 2>/dev/null`
  [ -n "$asw_now" ] || IFS=" " read -r asw_now asw_rest </proc/uptime
  asw_now=${asw_now%%.*}
}

# asw_after SECONDS: sets asw_deadline on the scale of asw_now, at least that far away. The eval is there since the text must not hold a
# dollar before a parenthesis.
asw_after() {
  asw_clock
  eval "asw_deadline=\$""((asw_now + $1 + 1))"
}

# Each asw_http_* METHOD HOST PORT PATH prints the HTTP status, or refused, or lost (connected, but no answer in time).

asw_http_bash() {
  exec 8<>"/dev/tcp/$2/$3" || { printf refused; return; }
  printf "%s %s HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" "$1" "$4" "$3" >&8
  IFS=" " read -r -t 2 asw_rest asw_status asw_rest <&8
  printf "%s" "${asw_status:-lost}"
}

asw_http_curl() {
  asw_status=`curl -q -g -s -o /dev/null -m 2 --noproxy "*" -X "$1" -w "%{http_code}" "http://$asw_url"`
  case $? in
    0) printf "%s" "$asw_status" ;;
    7) printf refused ;;
    *) printf lost ;;
  esac
}

asw_http_wget() {
  unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
  LC_ALL=C
  export LC_ALL
  case $1 in GET) set -- ;; *) set -- --post-data "" ;; esac
  # A busybox may be built without -T (Debian), and TERM is ignored while the sidecars are asked to quit.
  asw_reply=`asw_tool $asw_limit ${asw_busybox:+"$asw_busybox"} wget -S -O /dev/null -t 1 "$@" "http://$asw_url" 2>&1`
  asw_code=$?
  case $asw_reply in
    *HTTP/1.[01]\ [1-5][0-9][0-9]*)
      asw_reply=${asw_reply#*HTTP/1.[01] }
      printf "%.3s" "$asw_reply"
      ;;
    *refused* | *"an.t assign"* | *unreachable* | *"an.t connect"*) printf refused ;;
    *) if [ "$asw_code" = 0 ]; then printf 200; else printf lost; fi ;;
  esac
}

asw_http_python3() {
  python3 -I -c "import http.client, sys
try: c = http.client.HTTPConnection(sys.argv[2], int(sys.argv[3]), timeout=2); c.connect()
except OSError: print(\"refused\", end=\"\"); sys.exit()
try: c.request(sys.argv[1], sys.argv[4]); print(c.getresponse().status, end=\"\")
except Exception: print(\"lost\", end=\"\")" "$@"
}

# The first way to speak HTTP that this image has. A bash built without /dev/tcp says that the file does not exist.
asw_choose_http() {
  asw_http=none
  for asw_program in python3 wget curl; do
    command -v "$asw_program" >/dev/null 2>&1 && asw_http=$asw_program
  done
  if [ -n "$asw_busybox" ]; then asw_http=wget; fi
  if [ -n "$asw_bash" ]; then
    case `{ LC_ALL=C; exec 8<>/dev/tcp/127.0.0.1/1; } 2>&1` in
      *"No such file"*) ;;
      *) asw_http=bash ;;
    esac
  fi
  asw_limit="timeout -s KILL 2"
  (asw_tool $asw_limit ${asw_busybox:+"$asw_busybox"} sleep 0) 2>/dev/null || asw_limit=env
  if [ "$asw_http" = none ]; then
    asw_say "no bash, curl, wget or python3 in this image: sidecars can be neither waited for nor asked to quit"
    asw_sidecars=
  fi
}

# asw_ask METHOD PORT/PATH: sets asw_answer. The loopback may be IPv6 alone.
asw_ask() {
  asw_port=${2%%/*}
  asw_url=127.0.0.1:$2
  asw_answer=`"asw_http_$asw_http" "$1" 127.0.0.1 "$asw_port" "/${2#*/}" 2>/dev/null`
  [ "$asw_answer" = refused ] || return 0
  asw_url="[::1]:$2"
  asw_answer=`"asw_http_$asw_http" "$1" ::1 "$asw_port" "/${2#*/}" 2>/dev/null`
}

# asw_look NAME READY ALIVE QUIT: notes in asw_ready, asw_seen_alive, asw_gone and asw_waiting what one round shows of one sidecar.
asw_look() {
  [ "$2" != - ] || return 0
  case $asw_ready in *" $1 "*) return 0 ;; esac
  asw_ask GET "$2"
  case $asw_answer in 2??) asw_ready="$asw_ready$1 "; return 0 ;; esac
  if [ "$asw_answer" = refused ] && [ "$3" != - ]; then asw_ask GET "$3"; fi
  case $asw_answer in
    refused)
      case $asw_seen_alive in *" $1 "*) asw_gone=$1 ;; esac
      ;;
    [1-5]??)
      case $asw_seen_alive in *" $1 "*) ;; *) asw_seen_alive="$asw_seen_alive$1 " ;; esac
      ;;
  esac
  asw_waiting=$1
}

# Waits until all are ready. Sets asw_late to the reason when that does not come true: time over, or a sidecar that was up and
# has refused ten rounds in a row (restartPolicy Never does not bring it back).
asw_wait() {
  asw_late=
  [ "$asw_seconds" -gt 0 ] || return 0
  asw_after "$asw_seconds"
  while :; do
    asw_waiting= asw_gone=
    asw_each asw_look
    [ -n "$asw_waiting" ] || return 0
    asw_clock
    if [ "$asw_now" -ge "$asw_deadline" ]; then
      asw_late="$asw_waiting was not ready after $asw_seconds s"
      return 0
    fi
    if [ -n "$asw_gone" ]; then asw_missed=x$asw_missed; else asw_missed=; fi
    case $asw_missed in
      xxxxxxxxxx*) asw_late="$asw_gone was up and is gone before it was ready"; return 0 ;;
    esac
    asw_nap
  done
}

# asw_each FUNCTION: calls it with the four fields of every sidecar.
asw_each() {
  IFS=$asw_nl
  for asw_line in $asw_sidecars; do
    IFS=" "
    "$1" $asw_line
    IFS=$asw_nl
  done
  IFS=" "
}

# asw_known NAME: whether it was seen up.
asw_known() {
  case $asw_ready$asw_seen_alive in *" $1 "*) ;; *) return 1 ;; esac
}

# asw_quit NAME READY ALIVE QUIT. Refused means gone already when it was seen up, else that it does not listen yet: its image may still be
# on its way, and given up on it would run for ever. It has a minute for that, from the start on. A reply that is lost is the agent ending
# before it could answer, so a second call tells.
asw_quit() {
  [ "$4" != - ] || return 0
  [ -z "$asw_asked" ] || asw_wait_gone "$asw_asked"
  asw_asked=${4#*:}
  asw_after 3
  if [ -z "$asw_hurry" ] && ! asw_known "$1" && [ "$asw_deadline" -lt "$asw_minute" ]; then asw_deadline=$asw_minute; fi
  while :; do
    asw_ask "${4%%:*}" "$asw_asked"
    case $asw_answer in
      2??) break ;;
      refused)
        if asw_known "$1"; then break; fi
        if [ "$asw_hurry" = now ]; then asw_hurry=noted; asw_after 3; fi
        ;;
      40[1345])
        asw_asked=
        asw_say "$1 answered $asw_answer to $4: its quit endpoint is not enabled, so the pod may stay Running"
        break
        ;;
      *)
        asw_known "$1" || { asw_seen_alive="$asw_seen_alive$1 "; asw_after 3; }
        ;;
    esac
    asw_clock
    if [ "$asw_now" -ge "$asw_deadline" ]; then
      asw_asked=
      asw_say "$1 did not take $4 (${asw_answer:-lost}), so the pod may stay Running"
      break
    fi
    asw_nap
  done
}

# The last calls of one sidecar may go through the next (a secrets agent through the mesh proxy): give it 5 s to be gone.
asw_wait_gone() {
  asw_after 5
  while :; do
    asw_ask GET "${1%%/*}/"
    [ "$asw_answer" != refused ] || return 0
    asw_clock
    [ "$asw_now" -lt "$asw_deadline" ] || return 0
    asw_nap
  done
}

asw_ignore_signals() {
  trap "" TERM INT HUP QUIT USR1 USR2
}

# asw_finish CODE: the only way out.
asw_finish() {
  asw_ignore_signals
  # The kubelet wants an end: no long wait any more for what may never come.
  trap ": \${asw_hurry:=now}" TERM
  if [ "$asw_when" = always ] || [ "$1" = 0 ]; then
    asw_asked=
    asw_each asw_quit
  fi
  exit "$1"
}

# asw_signal NAME CODE: before the task runs a signal ends the wrapper (USR1 and USR2 do not: PID 1 has no default action), later it is the task's.
asw_signal() {
  case $asw_state in
    running) kill -s "$1" "$asw_child" 2>/dev/null ;;
    starting) asw_pending="$asw_pending $1" ;;
    *)
      case $1 in USR1 | USR2) return 0 ;; esac
      asw_say "$1 before the task was started"
      asw_hurry=noted
      asw_finish "$2"
      ;;
  esac
}

# Waits for the task itself, silently: shells report a death by signal. A signal makes wait return too, with 128 + n, which could be the
# code of the task as well, so another wait asks again once the child is gone. It gets 127 where the first one had the code already.
asw_wait_task() {
  while :; do
    wait "$asw_waited" 2>/dev/null
    asw_code=$?
    kill -0 "$asw_waited" 2>/dev/null || break
  done
  asw_ignore_signals
  if [ -n "$asw_kept" ]; then
    IFS=" " read -r -t 2 asw_rest <&7 && asw_code=$asw_rest
  else
    wait "$asw_waited" 2>/dev/null
    asw_rest=$?
    [ "$asw_rest" = 127 ] || asw_code=$asw_rest
  fi
}

asw_task() {
  trap - TERM INT HUP QUIT USR1 USR2
  if [ -n "$asw_kept" ]; then
    printf "%s\n" "$BASHPID" >&7
    exec 7<&-
  fi
  asw_exec "$@"
}

# bash loses the code of a child that ends just as a signal comes (its trap leaves waitpid by longjmp). So there a process in between, that
# no signal disturbs, waits for the task. What number the task has, and how it ended, goes through a pipe.
asw_keep() {
  # From bash 5.3 on, a background child of a shell that ignores INT and QUIT cannot have them back.
  trap : TERM INT HUP QUIT USR1 USR2
  asw_task "$@" <&9 9<&- &
  asw_ignore_signals
  wait "$!" 2>/dev/null
  printf "%s\n" "$?" >&7
}

asw_start() {
  # A background child of a shell gets /dev/null as its stdin unless it is given one.
  { command exec 9<&0; } 2>/dev/null || exec 9</dev/null
  # In quotes, since no other shell could read it: a pipe that is open at both ends.
  if [ -n "$asw_bash" ] && eval "exec 7<> <(:)" 2>/dev/null; then
    asw_kept=yes
    asw_keep "$@" &
    asw_waited=$!
    until IFS=" " read -r -t 1 asw_child <&7 || ! kill -0 "$asw_waited" 2>/dev/null; do :; done
  else
    asw_task "$@" <&9 9<&- &
    asw_waited=$! asw_child=$!
    # Time for the child to leave the traps behind: a signal that meets them there is lost.
    asw_tool sleep 0 2>/dev/null
  fi
  exec 9<&-
}

# asw_exists WORD...: whether an entrypoint of these words can be run here.
asw_exists() {
  for asw_word in "$@"; do
    case $asw_word in
      --) ;;
      */*) [ -f "$asw_word" ] && [ -x "$asw_word" ] || return 1 ;;
      *) command -v "$asw_word" >/dev/null 2>&1 || return 1 ;;
    esac
  done
}

asw_seconds=120 asw_late_action=fail asw_when=always asw_busybox= asw_sidecars= asw_entrypoint=
asw_ready=" " asw_seen_alive=" " asw_missed= asw_gone= asw_waiting= asw_pending= asw_kept= asw_hurry= asw_state=waiting
trap "asw_signal TERM 143" TERM
trap "asw_signal INT 130" INT
trap "asw_signal HUP 129" HUP
trap "asw_signal QUIT 131" QUIT
trap "asw_signal USR1 138" USR1
trap "asw_signal USR2 140" USR2

while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    --wait) asw_seconds=$2 ;;
    --late) asw_late_action=$2 ;;
    --quit) asw_when=$2 ;;
    --busybox) asw_busybox=$2 ;;
    --sidecar)
      asw_sidecars="$asw_sidecars$2 $3 $4 $5$asw_nl"
      shift 3
      ;;
    --try)
      asw_words=
      shift
      while [ "$1" != --end ]; do
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

IFS=$asw_nl
set -- $asw_entrypoint "$@"
IFS=" "
asw_after 60
asw_minute=$asw_deadline
[ -z "$asw_sidecars" ] || asw_choose_http
asw_wait

if [ -n "$asw_late" ] && [ "$asw_late_action" = run ]; then
  asw_say "$asw_late: the task runs anyway"
elif [ -n "$asw_late" ]; then
  asw_say "$asw_late: the task was not started"
  asw_finish 69
fi
if [ "$#" = 0 ]; then
  asw_say "no command, no args and no known entrypoint: nothing to run"
  asw_finish 127
fi

asw_state=starting
asw_start "$@"
asw_state=running
for asw_name in $asw_pending; do kill -s "$asw_name" "$asw_child" 2>/dev/null; done
asw_wait_task
asw_finish "$asw_code"
