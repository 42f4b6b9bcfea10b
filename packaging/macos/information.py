"""The Info.plist of the macOS application: its name, version and the files that it opens."""

from typing import Any

from rnnviz.core.model_formats import FORMATS

IDENTIFIER = "io.github.rnnviz.rnnviz"


def information(version: str) -> dict[str, Any]:
    """The keys of Info.plist beside those that PyInstaller writes."""
    session = f"{IDENTIFIER}.session"
    models = {
        f"{IDENTIFIER}.{known.media[0].removeprefix('x-')}": (known.media[1], known.endings[0].removeprefix("."))
        for known in FORMATS
        if known.media is not None
    }
    return {
        "CFBundleDisplayName": "rnnviz",
        "CFBundleShortVersionString": version,
        "CFBundleVersion": version,
        "LSApplicationCategoryType": "public.app-category.education",
        # The program has a console, for it is the command line as well; it is to be seen all the same.
        "LSBackgroundOnly": False,
        "NSHighResolutionCapable": True,
        "NSRequiresAquaSystemAppearance": False,
        "CFBundleDocumentTypes": [
            {
                "CFBundleTypeName": "rnnviz session",
                "CFBundleTypeRole": "Editor",
                "LSHandlerRank": "Owner",
                "LSItemContentTypes": [session],
            },
            *(
                {
                    "CFBundleTypeName": title,
                    "CFBundleTypeRole": "Viewer",
                    "LSHandlerRank": "Alternate",
                    "LSItemContentTypes": [kind],
                }
                for kind, (title, _) in models.items()
            ),
        ],
        "UTExportedTypeDeclarations": [_type(session, "rnnviz session", "rnnviz", "public.zip-archive")],
        "UTImportedTypeDeclarations": [
            _type(kind, title, ending, "public.data") for kind, (title, ending) in models.items()
        ],
    }


def _type(identifier: str, title: str, ending: str, parent: str) -> dict[str, Any]:
    return {
        "UTTypeIdentifier": identifier,
        "UTTypeDescription": title,
        "UTTypeConformsTo": [parent],
        "UTTypeTagSpecification": {"public.filename-extension": [ending]},
    }
