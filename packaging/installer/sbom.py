"""The bill of materials: what the packages are made of, as CycloneDX's JSON."""

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import Distribution, distribution
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from installer.checksums import sha256
from installer.distributions import distributions, needed_by
from installer.licenses import debian_package
from installer.product import Product, call

_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "3-Clause BSD License": "BSD-3-Clause",
    "LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only": "LGPL-3.0-only",
}
_CLASSIFIERS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    # Of PyInstaller; what it adds to a bundle may be under any license.
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-or-later WITH Bootloader-exception",
}


def bill_of_materials(product: Product, files: Iterable[Path], system_libraries: Iterable[Path]) -> str:
    """The text of the list, held against CycloneDX's schema.

    `files` are the packages that it is of; `system_libraries` what the bundle holds of the building system.
    """
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"rnnviz {product.version} {product.machine} {product.seconds}"))
    bom.metadata.timestamp = datetime.fromtimestamp(product.seconds, UTC)
    program = _component("rnnviz", product.version, "MIT", kind=ComponentType.APPLICATION)
    bom.metadata.component = program

    packages = {name: _package(name, found) for name, found in distributions().items()}
    python = _component("cpython", platform.python_version(), "Python-2.0", kind=ComponentType.PLATFORM)
    qt = _component("qt", distributions()["pyside6-essentials"].version, "LGPL-3.0-only")
    fonts = [_component("inter", "4.1", "OFL-1.1"), _component("jetbrains-mono", "2.304", "OFL-1.1")]
    bootloader = _package("pyinstaller", distribution("pyinstaller"))
    system = {
        package: _debian(package) for package in sorted({debian_package(path) or "" for path in system_libraries})
    }
    for component in (*packages.values(), python, qt, bootloader, *fonts, *system.values()):
        bom.components.add(component)
    for file in files:
        bom.components.add(_file(file))

    bom.register_dependency(program, [*packages.values(), python, bootloader, *fonts, *system.values()])
    for name, package in distributions().items():
        needs = [packages[other] for other in needed_by(package) if other in packages]
        bom.register_dependency(packages[name], [*needs, *([qt] if name == "pyside6-essentials" else [])])

    text = JsonV1Dot6(bom).output_as_string(indent=2)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise SystemExit(f"The bill of materials is not what CycloneDX asks for: {error}")
    return text + "\n"


def _component(
    name: str, version: str, license: str, url: PackageURL | None = None, kind: ComponentType = ComponentType.LIBRARY
) -> Component:
    return Component(
        type=kind,
        name=name,
        version=version,
        purl=url,
        bom_ref=f"{name}@{version}",
        licenses=[LicenseFactory().make_from_string(license)],
    )


def _package(name: str, package: Distribution) -> Component:
    url = PackageURL("pypi", name=name, version=package.version)
    return _component(name, package.version, _licence(package), url)


def _licence(package: Distribution) -> str:
    """The SPDX name of a package's license, or what it says itself where that names none."""
    stated = package.metadata.get("License-Expression") or package.metadata.get("License") or ""
    first = stated.strip().splitlines()[0] if stated.strip() else ""
    for classifier in package.metadata.get_all("Classifier") or []:
        known = _CLASSIFIERS.get(classifier.rpartition(" :: ")[2])
        if known is not None and not package.metadata.get("License-Expression"):
            return _SPDX.get(first, first if first in ("MPL-2.0 AND MIT", "Apache-2.0") else known)
    return _SPDX.get(first, first or "MIT")


def _debian(package: str) -> Component:
    version = call(["dpkg-query", "-W", "-f", "${Version}", package], "dpkg")
    return Component(
        type=ComponentType.LIBRARY,
        name=package,
        version=version,
        purl=PackageURL("deb", "debian", package, version),
        bom_ref=f"{package}@{version}",
        licenses=[DisjunctiveLicense(name=f"see share/doc/rnnviz/licenses/{package}")],
    )


def _file(path: Path) -> Component:
    digest = HashType(alg=HashAlgorithm.SHA_256, content=sha256(path))
    return Component(type=ComponentType.FILE, name=path.name, bom_ref=f"file:{path.name}", hashes=[digest])
