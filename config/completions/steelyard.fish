# Completion of steelyard. Made by `steelyard completion SHELL`: do not edit.
# Whether so many words that are no options stand after the command, and the first is one of.
function __steelyard_at
    set -l words (commandline -opc)[2..-1]
    set -l plain
    set -l skip 0
    for word in $words
        if test $skip = 1
            set skip 0
        else if contains -- $word --admin --balance --ca --cert --csv --days --deadline --directory --fault --for --interval --key --name --policies --pool --preset --rate --runbooks --seconds --seed --seeds --shares --sort --svg --timeout --token-file
            set skip 1
        else if not string match -q -- '-*' $word
            set -a plain $word
        end
    end
    test (count $plain) -eq $argv[2]; and test "$plain[1]" = $argv[1]
    and begin
        test (count $argv) -lt 3; or test "$plain[2]" = $argv[3]
    end
end
function __steelyard_names
    steelyard completion $argv[1] 2>/dev/null
end
complete -c steelyard -f
complete -c steelyard -s h -l help -d 'what it does'
complete -c steelyard -n __fish_use_subcommand -l version -d 'the version'
complete -c steelyard -n __fish_use_subcommand -a serve -d 'proxy, scrape and steer as FILE says'
complete -c steelyard -n __fish_use_subcommand -a check -d 'say what is wrong with FILE; --print shows every value in force'
complete -c steelyard -n __fish_use_subcommand -a top -d 'watch a running steelyard in the terminal; keys drain, pin and undo'
complete -c steelyard -n __fish_use_subcommand -a weights -d 'a running steelyard\'s weights; pin, scale, freeze, set and undo them'
complete -c steelyard -n __fish_use_subcommand -a drain -d 'no new requests for an endpoint, until it is taken back'
complete -c steelyard -n __fish_use_subcommand -a reload -d 'have a running steelyard read its file again'
complete -c steelyard -n __fish_use_subcommand -a upgrade -d 'replace a running steelyard by a new process, without a refused request'
complete -c steelyard -n __fish_use_subcommand -a explain -d 'from samples to weights, in words and numbers'
complete -c steelyard -n __fish_use_subcommand -a probe -d 'fetch a metrics page: which preset fits, what it says, what is missing'
complete -c steelyard -n __fish_use_subcommand -a presets -d 'the known kinds of metrics pages; presets show NAME prints one'
complete -c steelyard -n __fish_use_subcommand -a metrics -d 'the families of /metrics; --markdown prints docs/metrics.md'
complete -c steelyard -n __fish_use_subcommand -a rules -d 'alert rules, or a dashboard, with links to runbooks at an address of your own'
complete -c steelyard -n __fish_use_subcommand -a cert -d 'throw-away certificates to try TLS with'
complete -c steelyard -n __fish_use_subcommand -a simulate -d 'what a fleet would do under several policies, on a virtual clock'
complete -c steelyard -n __fish_use_subcommand -a demo -d 'see it work: four endpoints, traffic and a live table in one process'
complete -c steelyard -n __fish_use_subcommand -a completion -d 'completion for bash, zsh or fish'
complete -c steelyard -n __fish_use_subcommand -a help -d 'this text, or a command\'s'
complete -c steelyard -n '__steelyard_at serve 1' -F
complete -c steelyard -n '__fish_seen_subcommand_from check' -l print -d 'every value in force, as YAML'
complete -c steelyard -n '__steelyard_at check 1' -F
complete -c steelyard -n '__fish_seen_subcommand_from top' -l pool -x -a '(__steelyard_names pools)' -d 'one pool only'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l sort -x -a 'pool endpoint state base target weight share traffic in_flight connections rate errors p50 p99 first_byte ejections reason' -d 'the column to sort by: pool, endpoint, state, base, target, weight, share, traffic, in_flight, connections, rate, errors, p50, p99, first_byte, ejections, reason; pool is the configured order'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l interval -x -d 'how often to ask (1s; 200ms to 1m)'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l once -d 'print the tables once and end'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l json -d 'print the status as JSON once and end'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l admin -x -d 'where steelyard\'s admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l token-file -r -F -d 'the token that it asks for, where it does'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from top' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l pool -x -a '(__steelyard_names pools)' -d 'of which pool, where an endpoint is in several'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l for -x -d 'for how long, such as 30s, 10m, 2h'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l json -d 'as JSON, for scripts'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l admin -x -d 'where steelyard\'s admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l token-file -r -F -d 'the token that it asks for, where it does'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from weights' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__steelyard_at weights 1' -a 'pin scale freeze set reset'
complete -c steelyard -n '__steelyard_at weights 2 freeze' -a '(__steelyard_names pools)'
complete -c steelyard -n '__steelyard_at weights 2 pin' -a '(__steelyard_names endpoints)'
complete -c steelyard -n '__steelyard_at weights 2 reset' -a '(__steelyard_names targets)'
complete -c steelyard -n '__steelyard_at weights 2 scale' -a '(__steelyard_names endpoints)'
complete -c steelyard -n '__steelyard_at weights 2 set' -a '(__steelyard_names pools)'
complete -c steelyard -n '__steelyard_at weights 3 set' -a 'law= floor= slew= dry_run='
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l pool -x -a '(__steelyard_names pools)' -d 'of which pool, where an endpoint is in several'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l deadline -x -d 'until when clients with its cookie still come back'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l for -x -d 'for how long, such as 30s, 10m, 2h'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l undo -d 'take the drain back, pins and factors too'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l admin -x -d 'where steelyard\'s admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l token-file -r -F -d 'the token that it asks for, where it does'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from drain' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__steelyard_at drain 1' -a '(__steelyard_names endpoints)'
complete -c steelyard -n '__fish_seen_subcommand_from reload' -l admin -x -d 'where steelyard\'s admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS'
complete -c steelyard -n '__fish_seen_subcommand_from reload' -l token-file -r -F -d 'the token that it asks for, where it does'
complete -c steelyard -n '__fish_seen_subcommand_from reload' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from reload' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from reload' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__fish_seen_subcommand_from upgrade' -l admin -x -d 'where steelyard\'s admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS'
complete -c steelyard -n '__fish_seen_subcommand_from upgrade' -l token-file -r -F -d 'the token that it asks for, where it does'
complete -c steelyard -n '__fish_seen_subcommand_from upgrade' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from upgrade' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from upgrade' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__fish_seen_subcommand_from explain' -l verbose -d 'the law\'s terms and every signal too'
complete -c steelyard -n '__fish_seen_subcommand_from explain' -l json -d 'as JSON, for scripts'
complete -c steelyard -n '__fish_seen_subcommand_from explain' -l admin -x -d 'where steelyard\'s admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS'
complete -c steelyard -n '__fish_seen_subcommand_from explain' -l token-file -r -F -d 'the token that it asks for, where it does'
complete -c steelyard -n '__fish_seen_subcommand_from explain' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from explain' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from explain' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__steelyard_at explain 1' -a '(__steelyard_names pools)'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l preset -x -a 'vllm sglang tgi trtllm llamacpp lmdeploy tfserving triton torchserve ray-serve kserve mlserver bentoml infinity node dcgm cadvisor process json' -d 'read it with this preset (steelyard presets lists them)'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l interval -x -d 'between the two fetches: rates need it (1s; 100ms to 5m)'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l timeout -x -d 'for each fetch (5s; 10ms to 5m)'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l strict -d 'check the page; the exit code says whether it is valid'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l json -d 'the result as JSON'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from probe' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__steelyard_at presets 1' -a 'show list'
complete -c steelyard -n '__steelyard_at presets 2 show' -a 'vllm sglang tgi trtllm llamacpp lmdeploy tfserving triton torchserve ray-serve kserve mlserver bentoml infinity node dcgm cadvisor process json'
complete -c steelyard -n '__fish_seen_subcommand_from metrics' -l markdown -d 'print docs/metrics.md, which says what they mean'
complete -c steelyard -n '__fish_seen_subcommand_from rules' -l runbooks -x -d 'where the runbooks are (https://steelyard.example/docs/runbooks.md)'
complete -c steelyard -n '__steelyard_at rules 1' -F
complete -c steelyard -n '__fish_seen_subcommand_from cert' -l directory -r -F -d 'where to write them; made if it is missing (.)'
complete -c steelyard -n '__fish_seen_subcommand_from cert' -l name -x -d 'a host name or IP address of the server; may be repeated'
complete -c steelyard -n '__fish_seen_subcommand_from cert' -l days -x -d 'how long they are valid (30; 1 to 3650)'
complete -c steelyard -n '__fish_seen_subcommand_from cert' -l force -d 'replace files of these names'
complete -c steelyard -n '__steelyard_at cert 1' -a 'dev'
complete -c steelyard -n '__fish_seen_subcommand_from simulate' -l policies -x -a 'steelyard steelyard_guard steelyard_shed headroom steps-30-60-80 round_robin least_request least_request_true least_request_outlier peak_ewma grpc_a58 queue_kv haproxy_agent static nginx sed marginal' -d 'instead of those in FILE; the first is compared with'
complete -c steelyard -n '__fish_seen_subcommand_from simulate' -l seeds -x -d 'instead of those in FILE'
complete -c steelyard -n '__fish_seen_subcommand_from simulate' -l csv -r -F -d 'one row for each policy and seed'
complete -c steelyard -n '__fish_seen_subcommand_from simulate' -l shares -r -F -d 'CSV: requests sent to each endpoint in each second'
complete -c steelyard -n '__fish_seen_subcommand_from simulate' -l svg -r -F -d 'a plot: p99, failures, and who got the requests under the first policy'
complete -c steelyard -n '__fish_seen_subcommand_from simulate' -l print -d 'the scenario with every value in force, nothing is run'
complete -c steelyard -n '__fish_seen_subcommand_from simulate' -l list-policies -d 'the policies and what they do'
complete -c steelyard -n '__steelyard_at simulate 1' -F
complete -c steelyard -n '__fish_seen_subcommand_from demo' -l seconds -x -d 'end after N seconds'
complete -c steelyard -n '__fish_seen_subcommand_from demo' -l balance -x -a 'round_robin least_request random' -d 'for both sets: round_robin, least_request, random (round_robin)'
complete -c steelyard -n '__fish_seen_subcommand_from demo' -l rate -x -d 'requests a second to each set (88; all four together can do 160)'
complete -c steelyard -n '__fish_seen_subcommand_from demo' -l seed -x -d 'of the random arrivals and sizes (1)'
complete -c steelyard -n '__fish_seen_subcommand_from demo' -l fault -x -d 'ENDPOINT:MODE@SECONDS, MODE is slow, hang, fail, die or recover'
complete -c steelyard -n '__fish_seen_subcommand_from completion' -l admin -x -d 'where steelyard\'s admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS'
complete -c steelyard -n '__fish_seen_subcommand_from completion' -l token-file -r -F -d 'the token that it asks for, where it does'
complete -c steelyard -n '__fish_seen_subcommand_from completion' -l ca -r -F -d 'the authorities of the server\'s certificate (the system\'s)'
complete -c steelyard -n '__fish_seen_subcommand_from completion' -l cert -r -F -d 'the certificate that is shown to the server'
complete -c steelyard -n '__fish_seen_subcommand_from completion' -l key -r -F -d 'its private key, where it is in a file of its own'
complete -c steelyard -n '__steelyard_at completion 1' -a 'bash zsh fish pools endpoints targets'
complete -c steelyard -n '__fish_seen_subcommand_from help' -l man -d 'the manual page, for man'
complete -c steelyard -n '__steelyard_at help 1' -a 'serve check top weights drain reload upgrade explain probe presets metrics rules cert simulate demo completion help'
