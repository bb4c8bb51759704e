#!/bin/sh
# Uses what `make dist` made as a user would who has only that: in the folder that it is called in, which has a copy of what is
# used, on any Linux from Debian 11 on. What that Linux has no interpreter for is said and left out.
#
#   smoke.sh command zcio                   the file zcio
#   smoke.sh python INTERPRETER… -- WHEEL   in a fresh virtual environment of each
#   smoke.sh java JVM… -- JAR               with the class Smoke in this folder
set -eu
kind=$1
shift
[ -f source ] || head -c 3000001 /dev/urandom > source

# What stands before `--`, and what after it.
programs=
while [ $# -gt 1 ]; do
  [ "$1" = -- ] || programs="$programs $1"
  shift
done

case $kind in
  command)
    "./$1" --version
    "./$1" copy source smoke-command
    cmp source smoke-command
    "./$1" send --raw source - | cmp source -
    ;;
  python)
    for python in $programs; do
      rm -rf environment
      "$python" -m venv environment
      environment/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps "$1"
      environment/bin/python smoke.py source
      environment/bin/zcio --version
    done
    ;;
  java)
    for jvm in $programs; do
      option=
      "$jvm" --enable-native-access=ALL-UNNAMED -version 2> /dev/null && option=--enable-native-access=ALL-UNNAMED
      "$jvm" $option -cp "$1:." Smoke source
    done
    ;;
esac
