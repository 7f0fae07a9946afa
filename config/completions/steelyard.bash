# Completion of steelyard. Made by `steelyard completion SHELL`: do not edit.
_steelyard() {
  local line=${COMP_LINE:0:COMP_POINT} word index
  local -a words=() shown=()
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  local current=${words[-1]} count=${#words[@]}
  local command=${words[1]-} option=${words[count - 2]}
  COMPREPLY=()
  if [ "$count" -le 2 ]; then
    shown=(serve check top weights drain endpoints discover reload upgrade explain probe presets metrics rules cert simulate demo completion help --help --version)
    _steelyard_offer "$current" "${shown[@]}"
    return
  fi
  case $command$option in
    top--pool)
      _steelyard_names pools
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    top--sort)
      shown=(pool endpoint state base target weight share traffic in_flight connections rate errors p50 p99 first_byte ejections reason)
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    top--interval)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    top--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    top--token-file)
      _steelyard_files "$current"
      return
      ;;
    top--ca)
      _steelyard_files "$current"
      return
      ;;
    top--cert)
      _steelyard_files "$current"
      return
      ;;
    top--key)
      _steelyard_files "$current"
      return
      ;;
    weights--pool)
      _steelyard_names pools
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    weights--for)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    weights--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    weights--token-file)
      _steelyard_files "$current"
      return
      ;;
    weights--ca)
      _steelyard_files "$current"
      return
      ;;
    weights--cert)
      _steelyard_files "$current"
      return
      ;;
    weights--key)
      _steelyard_files "$current"
      return
      ;;
    drain--pool)
      _steelyard_names pools
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    drain--deadline)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    drain--for)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    drain--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    drain--token-file)
      _steelyard_files "$current"
      return
      ;;
    drain--ca)
      _steelyard_files "$current"
      return
      ;;
    drain--cert)
      _steelyard_files "$current"
      return
      ;;
    drain--key)
      _steelyard_files "$current"
      return
      ;;
    endpoints--pool)
      _steelyard_names pools
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    endpoints--weight)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    endpoints--name)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    endpoints--uid)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    endpoints--labels)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    endpoints--for)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    endpoints--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    endpoints--token-file)
      _steelyard_files "$current"
      return
      ;;
    endpoints--ca)
      _steelyard_files "$current"
      return
      ;;
    endpoints--cert)
      _steelyard_files "$current"
      return
      ;;
    endpoints--key)
      _steelyard_files "$current"
      return
      ;;
    discover--pool)
      _steelyard_names pools
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    discover--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    discover--token-file)
      _steelyard_files "$current"
      return
      ;;
    discover--ca)
      _steelyard_files "$current"
      return
      ;;
    discover--cert)
      _steelyard_files "$current"
      return
      ;;
    discover--key)
      _steelyard_files "$current"
      return
      ;;
    reload--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    reload--token-file)
      _steelyard_files "$current"
      return
      ;;
    reload--ca)
      _steelyard_files "$current"
      return
      ;;
    reload--cert)
      _steelyard_files "$current"
      return
      ;;
    reload--key)
      _steelyard_files "$current"
      return
      ;;
    upgrade--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    upgrade--token-file)
      _steelyard_files "$current"
      return
      ;;
    upgrade--ca)
      _steelyard_files "$current"
      return
      ;;
    upgrade--cert)
      _steelyard_files "$current"
      return
      ;;
    upgrade--key)
      _steelyard_files "$current"
      return
      ;;
    explain--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    explain--token-file)
      _steelyard_files "$current"
      return
      ;;
    explain--ca)
      _steelyard_files "$current"
      return
      ;;
    explain--cert)
      _steelyard_files "$current"
      return
      ;;
    explain--key)
      _steelyard_files "$current"
      return
      ;;
    probe--preset)
      shown=(vllm sglang tgi trtllm llamacpp lmdeploy tfserving triton torchserve ray-serve kserve mlserver bentoml infinity node dcgm cadvisor process json)
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    probe--interval)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    probe--timeout)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    probe--ca)
      _steelyard_files "$current"
      return
      ;;
    probe--cert)
      _steelyard_files "$current"
      return
      ;;
    probe--key)
      _steelyard_files "$current"
      return
      ;;
    rules--runbooks)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    cert--directory)
      _steelyard_files "$current"
      return
      ;;
    cert--name)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    cert--days)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    simulate--policies)
      shown=(steelyard steelyard_guard steelyard_shed headroom steps-30-60-80 round_robin least_request least_request_true least_request_outlier peak_ewma grpc_a58 queue_kv haproxy_agent static nginx sed marginal)
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    simulate--seeds)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    simulate--csv)
      _steelyard_files "$current"
      return
      ;;
    simulate--shares)
      _steelyard_files "$current"
      return
      ;;
    simulate--svg)
      _steelyard_files "$current"
      return
      ;;
    demo--seconds)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    demo--balance)
      shown=(round_robin least_request random)
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    demo--rate)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    demo--seed)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    demo--fault)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    completion--admin)
      shown=()
      _steelyard_offer "$current" "${shown[@]}"
      return
      ;;
    completion--token-file)
      _steelyard_files "$current"
      return
      ;;
    completion--ca)
      _steelyard_files "$current"
      return
      ;;
    completion--cert)
      _steelyard_files "$current"
      return
      ;;
    completion--key)
      _steelyard_files "$current"
      return
      ;;
  esac
  # The words of the command that are no options and no values of options.
  local -a plain=()
  for ((index = 2; index < count - 1; index++)); do
    word=${words[index]}
    case $word in
      *=*) ;;
      --admin|--balance|--ca|--cert|--csv|--days|--deadline|--directory|--fault|--for|--interval|--key|--labels|--name|--policies|--pool|--preset|--rate|--runbooks|--seconds|--seed|--seeds|--shares|--sort|--svg|--timeout|--token-file|--uid|--weight) ((index++)) && continue ;;
    esac
    [[ $word == -* ]] || plain+=("$word")
  done
  local place=${#plain[@]} first=${plain[0]-}
  case $command in
    serve)
      [[ $current == -* ]] && shown=(--help)
      [[ $current != -* && $place -eq 0 ]] && { _steelyard_files "$current"; }
      ;;
    check)
      [[ $current == -* ]] && shown=(--print --help)
      [[ $current != -* && $place -eq 0 ]] && { _steelyard_files "$current"; }
      ;;
    top)
      [[ $current == -* ]] && shown=(--pool --sort --interval --once --json --admin --token-file --ca --cert --key --help)
      ;;
    weights)
      [[ $current == -* ]] && shown=(--pool --for --persist --json --admin --token-file --ca --cert --key --help)
      [[ $current != -* && $place -eq 0 ]] && { shown=(pin scale freeze set reset); }
      [[ $current != -* && $first == freeze && $place -eq 1 ]] && { _steelyard_names pools; }
      [[ $current != -* && $first == pin && $place -eq 1 ]] && { _steelyard_names endpoints; }
      [[ $current != -* && $first == reset && $place -eq 1 ]] && { _steelyard_names targets; }
      [[ $current != -* && $first == scale && $place -eq 1 ]] && { _steelyard_names endpoints; }
      [[ $current != -* && $first == set && $place -eq 1 ]] && { _steelyard_names pools; }
      [[ $current != -* && $first == set && $place -eq 2 ]] && { shown=(law= floor= slew= dry_run=); }
      ;;
    drain)
      [[ $current == -* ]] && shown=(--pool --deadline --for --persist --undo --admin --token-file --ca --cert --key --help)
      [[ $current != -* && $place -eq 0 ]] && { _steelyard_names endpoints; }
      ;;
    endpoints)
      [[ $current == -* ]] && shown=(--pool --weight --backup --drain --name --uid --labels --for --persist --json --admin --token-file --ca --cert --key --help)
      [[ $current != -* && $place -eq 0 ]] && { shown=(add set remove); }
      [[ $current != -* && $first == add && $place -eq 1 ]] && { _steelyard_names pools; }
      [[ $current != -* && $first == add && $place -eq 2 ]] && { _steelyard_names endpoints; }
      [[ $current != -* && $first == remove && $place -eq 1 ]] && { _steelyard_names pools; }
      [[ $current != -* && $first == remove && $place -eq 2 ]] && { _steelyard_names endpoints; }
      [[ $current != -* && $first == set && $place -eq 1 ]] && { _steelyard_names pools; }
      [[ $current != -* && $first == set && $place -eq 2 ]] && { _steelyard_names endpoints; }
      ;;
    discover)
      [[ $current == -* ]] && shown=(--pool --json --admin --token-file --ca --cert --key --help)
      ;;
    reload)
      [[ $current == -* ]] && shown=(--admin --token-file --ca --cert --key --help)
      ;;
    upgrade)
      [[ $current == -* ]] && shown=(--admin --token-file --ca --cert --key --help)
      ;;
    explain)
      [[ $current == -* ]] && shown=(--verbose --json --admin --token-file --ca --cert --key --help)
      [[ $current != -* && $place -eq 0 ]] && { _steelyard_names pools; }
      ;;
    probe)
      [[ $current == -* ]] && shown=(--preset --interval --timeout --strict --json --ca --cert --key --help)
      ;;
    presets)
      [[ $current == -* ]] && shown=(--help)
      [[ $current != -* && $place -eq 0 ]] && { shown=(show list); }
      [[ $current != -* && $first == show && $place -eq 1 ]] && { shown=(vllm sglang tgi trtllm llamacpp lmdeploy tfserving triton torchserve ray-serve kserve mlserver bentoml infinity node dcgm cadvisor process json); }
      ;;
    metrics)
      [[ $current == -* ]] && shown=(--markdown --help)
      ;;
    rules)
      [[ $current == -* ]] && shown=(--runbooks --help)
      [[ $current != -* && $place -eq 0 ]] && { _steelyard_files "$current"; }
      ;;
    cert)
      [[ $current == -* ]] && shown=(--directory --name --days --force --help)
      [[ $current != -* && $place -eq 0 ]] && { shown=(dev); }
      ;;
    simulate)
      [[ $current == -* ]] && shown=(--policies --seeds --csv --shares --svg --print --list-policies --help)
      [[ $current != -* && $place -eq 0 ]] && { _steelyard_files "$current"; }
      ;;
    demo)
      [[ $current == -* ]] && shown=(--seconds --balance --rate --seed --fault --help)
      ;;
    completion)
      [[ $current == -* ]] && shown=(--admin --token-file --ca --cert --key --help)
      [[ $current != -* && $place -eq 0 ]] && { shown=(bash zsh fish pools endpoints targets); }
      ;;
    help)
      [[ $current == -* ]] && shown=(--man --help)
      [[ $current != -* && $place -eq 0 ]] && { shown=(serve check top weights drain endpoints discover reload upgrade explain probe presets metrics rules cert simulate demo completion help); }
      ;;
  esac
  _steelyard_offer "$current" "${shown[@]}"
}

# _steelyard_offer CURRENT WORD...: those that begin so.
_steelyard_offer() {
  local current=$1 word
  shift
  # bash replaces what stands after the last colon only.
  local head=""
  [[ $COMP_WORDBREAKS == *:* && $current == *:* ]] && head=${current%:*}:
  for word in "$@"; do
    [[ $word == "$current"* ]] || continue
    [[ $word == *= ]] && compopt -o nospace 2>/dev/null
    word=${word#"$head"}
    COMPREPLY+=("$(printf %q "$word")")
  done
}

# _steelyard_names KIND: of the steelyard that runs; none where it does not answer.
_steelyard_names() {
  shown=()
  local name
  while IFS= read -r name; do shown+=("$name"); done \
    < <(steelyard completion "$1" 2>/dev/null)
}

_steelyard_files() {
  compopt -o filenames 2>/dev/null
  local name
  while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$1")
}

complete -F _steelyard steelyard
