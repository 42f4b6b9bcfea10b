"""python -m installer: the bundle, the packages of it, their checksums and their bill of materials, in `dist`."""

import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from installer.bundle import make_bundle
from installer.checksums import checksums
from installer.deb import make_deb
from installer.layout import PROGRAM, lay
from installer.product import ROOT, Product
from installer.rpm import make_rpm
from installer.sbom import bill_of_materials
from installer.sizes import sizes, table
from installer.tarball import make_tarball
from installer.trimming import trim


def main() -> None:
    """Make everything anew, and say what is made and how large it is."""
    if platform.system() != "Linux":
        sys.exit("make installer makes packages for Linux, on Linux; the guide describes other systems.")
    began = perf_counter()
    product, work, dist = Product(), ROOT / "build" / "installer", ROOT / "dist"
    prefix = work / "usr"
    for folder in (prefix, work / "bundle"):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    dist.mkdir(exist_ok=True)

    def say(text: str) -> None:
        print(f"{perf_counter() - began:5.0f} s  {text}", flush=True)

    say("making the bundle")
    bundle = make_bundle(work)
    say(f"trimming it, which saved {trim(bundle) / 1e6:.0f} MB")
    listed = (work / "pyinstaller" / "rnnviz" / "system-libraries.txt").read_text(encoding="utf-8")
    system_libraries = [Path(line) for line in listed.splitlines()]
    lay(bundle, prefix, product, system_libraries)

    deb, rpm, tarball = dist / product.deb, dist / product.rpm, dist / product.tarball
    say("making the packages")
    with ThreadPoolExecutor() as pool:
        tasks = [
            pool.submit(make_tarball, prefix, product, tarball),
            pool.submit(make_deb, prefix, work, product, deb),
            pool.submit(make_rpm, prefix, work, product, rpm),
        ]
        for task in tasks:
            task.result()

    packages = [deb, rpm, tarball]
    bill = dist / product.bill_of_materials
    bill.write_text(bill_of_materials(product, packages, system_libraries), encoding="utf-8")
    (dist / "SHA256SUMS").write_text(checksums([*packages, bill]), encoding="utf-8")
    say("done")
    print("\nWhat takes the space in the bundle:\n" + table(sizes(prefix / PROGRAM)))
    print("\nIn dist:")
    for path in [*packages, bill, dist / "SHA256SUMS"]:
        print(f"{path.stat().st_size / 1e6:8.1f} MB  {path.name}")


if __name__ == "__main__":
    main()
