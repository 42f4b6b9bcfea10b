#!/bin/sh
# Makes the application for macOS and a disk image of it: sh packaging/macos/build.sh [DIST]
#
# It runs on the machine that it builds for, with Python 3.11 to 3.14. CODESIGN_IDENTITY names the certificate that signs
# the application; without it the signature is ad hoc, and macOS asks those who open the program for the first time.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
dist=${1:-$root/dist}
work=$root/build/macos
identity=${CODESIGN_IDENTITY:--}

if [ "$(uname -s)" != Darwin ]; then
    echo "packaging/macos/build.sh makes an application for macOS, on macOS: this is $(uname -s)." >&2
    exit 1
fi

python=$(sh "$root/packaging/find-python")
rm -rf "$work"
mkdir -p "$work" "$dist"
"$python" -m venv "$work/environment"
build="$work/environment/bin/python"
"$build" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r "$root/packaging/requirements-build.txt"
export PYTHONPATH="$root/packaging:$root"
version=$("$build" -c 'import rnnviz; print(rnnviz.__version__)')

"$build" "$root/packaging/program_icon.py" "$work/rnnviz.icns"
"$build" -m PyInstaller --noconfirm --log-level WARN \
    --distpath "$work/bundle" --workpath "$work/pyinstaller" "$root/packaging/rnnviz.spec"
application=$work/bundle/rnnviz.app
codesign --force --deep --options runtime --entitlements "$root/packaging/macos/entitlements.plist" \
    --sign "$identity" "$application"
codesign --verify --deep --strict "$application"
"$application/Contents/MacOS/rnnviz" doctor

stage=$work/image
image=$dist/rnnviz-$version-macos-$(uname -m).dmg
mkdir "$stage"
cp -R "$application" "$stage/"
cp "$root/LICENSE" "$stage/LICENSE.txt"
ln -s /Applications "$stage/Applications"
hdiutil create -quiet -volname "rnnviz $version" -srcfolder "$stage" -format UDZO -ov "$image"
hdiutil verify -quiet "$image"
(cd "$dist" && shasum -a 256 "$(basename "$image")" >"$(basename "$image").sha256")
echo "$image"
