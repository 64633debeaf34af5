#compdef cloakroom
# Completes commands, flags and values of cloakroom in zsh.
_cloakroom() {
  local line
  local -a found
  for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  if (( $#found )); then
    _describe cloakroom found
  else
    _files
  fi
}
if [[ $funcstack[1] == _cloakroom ]]; then
  _cloakroom "$@"
else
  compdef _cloakroom cloakroom
fi
