# Completion of rnnviz for bash.

# The words that begin with the current word.
_rnnviz_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
}

# Folders, and files with one of the endings; all files if none is given.
_rnnviz_files() {
    local path ending
    compopt -o filenames 2>/dev/null
    while IFS= read -r path; do
        if [[ $# -eq 0 || -d $path ]]; then
            COMPREPLY+=("$path")
            continue
        fi
        for ending; do
            if [[ ${path,,} == *".$ending" ]]; then
                COMPREPLY+=("$path")
                break
            fi
        done
    done < <(compgen -f -- "$word")
}

# One engine: a name, a known bug, a recording, other weights or a Python file.
_rnnviz_engine() {
    local before=$1 name=${word##*,} engine
    compopt -o nospace 2>/dev/null
    if [[ $name == recording:* || $name == model:* ]]; then
        local word=${name#*:} kind=${name%%:*} found
        if [[ $kind == recording ]]; then
            _rnnviz_files npz
        else
            _rnnviz_files
        fi
        found=("${COMPREPLY[@]}")
        COMPREPLY=("${found[@]/#/${before}$kind:}")
        return
    fi
    if [[ $name == [./~]* ]]; then
        local word=$name found
        _rnnviz_files py
        found=("${COMPREPLY[@]}")
        COMPREPLY=("${found[@]/#/$before}")
        return
    fi
    for engine in @ENGINES@; do
        if [[ $engine == "$name"* && ",$before" != *",$engine,"* ]]; then
            COMPREPLY+=("$before$engine")
        fi
    done
}

# Several engines, separated by commas, without duplicates.
_rnnviz_engines() {
    _rnnviz_engine "${word%"${word##*,}"}"
}

_rnnviz() {
    COMPREPLY=()
    # bash also splits words at colons, which names of engines contain.
    local line=${COMP_LINE:0:COMP_POINT}
    local word=${line##*[[:space:]]}
    local -a before
    read -ra before <<<"${line%"$word"}"
    local command='' options='' valued='' place=0 at
    if [[ ${#before[@]} -gt 1 && " @COMMANDS@ " == *" ${before[1]} "* ]]; then
        command=${before[1]}
    fi
    _rnnviz_options
    for ((at = ${#command} ? 2 : 1; at < ${#before[@]}; at++)); do
        if [[ " $valued " == *" ${before[at]} "* ]]; then
            ((at + 1 == ${#before[@]})) && place=${before[at]}
            ((at++))
        elif [[ ${before[at]} != -* ]]; then
            ((place++))
        fi
    done
    if [[ $word == -* && $place != -* ]]; then
        _rnnviz_words "$options"
    else
        _rnnviz_values
        if [[ -z $command && ${#before[@]} -eq 1 ]]; then
            local name
            for name in @COMMANDS@; do
                if [[ $name == "$word"* ]]; then
                    COMPREPLY+=("$name")
                fi
            done
        fi
    fi
    # Leave out the beginning that bash treats as a separate word.
    local cut=${word%"${word##*[:=]}"}
    if [[ -n $cut && $COMP_WORDBREAKS == *"${cut: -1}"* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    fi
}

# The options of the command, and those that take a value.
_rnnviz_options() {
    case $command in
    # @OPTIONS@
    esac
}

# The completions at the current position: after an option, or of the first argument, the second and so on.
_rnnviz_values() {
    case $command:$place in
    # @VALUES@
    esac
}

complete -F _rnnviz rnnviz
