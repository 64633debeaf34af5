# Completes commands, flags and values of cloakroom in bash.
_cloakroom() {
  local line word begun=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS= read -r line; do
    word=${line%%$'\t'*}
    # bash takes the "=" of a flag for the end of a word.
    [[ $begun == --* ]] || [[ $word != --*=* ]] || word=${word#*=}
    COMPREPLY+=("$word")
  done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _cloakroom cloakroom
