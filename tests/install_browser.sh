#!/bin/sh
# Make sure that a Chrome or Chromium is installed: find one, else install Debian's.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
  exit $?
fi
echo "The browser tests need Chromium or Chrome. Install one, for example: sudo apt-get install chromium" >&2
exit 1
