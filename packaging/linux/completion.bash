# Completion of rnnviz for bash.

# The words that begin like the one at the cursor.
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

# One engine: a name, a mistake, a recording or a file of one's own.
_rnnviz_engine() {
    local before=$1 name=${word##*,} engine
    compopt -o nospace 2>/dev/null
    if [[ $name == recording:* ]]; then
        local word=${name#recording:} found
        _rnnviz_files npz
        found=("${COMPREPLY[@]}")
        COMPREPLY=("${found[@]/#/${before}recording:}")
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

# Several engines with commas between them, none of them twice.
_rnnviz_engines() {
    _rnnviz_engine "${word%"${word##*,}"}"
}

_rnnviz() {
    COMPREPLY=()
    # bash cuts words at colons as well, but the names of engines hold some.
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
    # What bash took for words of their own stays as it stands.
    local cut=${word%"${word##*[:=]}"}
    if [[ -n $cut && $COMP_WORDBREAKS == *"${cut: -1}"* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    fi
}

# Which options the command has, and which of them take a value.
_rnnviz_options() {
    case $command in
    # @OPTIONS@
    esac
}

# What may stand at the cursor: behind an option, or in the first place, the second and so on.
_rnnviz_values() {
    case $command:$place in
    # @VALUES@
    esac
}

complete -F _rnnviz rnnviz
