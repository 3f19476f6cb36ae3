#!/bin/sh
# A server with one tool, `greet`, which speaks JSON lines on its pipes. Its first argument is the word that it greets with.
word=${1:-Hello}

say() {
  printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$1"
}

while IFS= read -r line; do
  id=${line#*\"id\":}
  id=${id%%[,\}]*}
  case $line in
    *'"method":"initialize"'*)
      revision=${line#*\"protocolVersion\":\"}
      say "\"result\":{\"protocolVersion\":\"${revision%%\"*}\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"greeter\",\"version\":\"1\"}}"
      ;;
    *'"method":"notifications/'*) ;;
    *'"method":"ping"'*) say '"result":{}' ;;
    *'"method":"tools/list"'*)
      say '"result":{"tools":[{"name":"greet","inputSchema":{"type":"object","properties":{"who":{"type":"string"}}}}]}'
      ;;
    *'"method":"tools/call"'*'"name":"greet"'*)
      who=${line#*\"who\":\"}
      say "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$word, ${who%%\"*}!\"}]}"
      ;;
    *'"method":"tools/call"'*) say '"error":{"code":-32602,"message":"there is only greet"}' ;;
    *'"method":'*) say '"error":{"code":-32601,"message":"this is not offered"}' ;;
  esac
done
