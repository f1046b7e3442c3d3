"""Packages as a user makes and installs them, in a folder of the test's own."""

import sys
from pathlib import Path

from gal_friday_live.extension_installing import add
from gal_friday_live.extension_making import make


class Site:
    """Installs into a folder that is on the path while the test runs; afterwards nothing of it is left."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder = folder / "site"
        self.folder.mkdir(parents=True)
        self._made = folder / "made"
        monkeypatch.syspath_prepend(str(self.folder))
        self._before = set(sys.modules)

    def template(self, kind, name) -> Path:
        """Make a package from its template, and install it; the package's own folder."""
        folder = self._made / name
        make(kind, name, folder)
        add(folder, site=self.folder)
        return folder

    def package(self, distribution, code, *, version="1.0", **points) -> None:
        """A package of one module, its entry points by kind as `name = module:attribute` each."""
        folder = self._made / f"{distribution}-{version}"
        source = folder / "src" / distribution.replace("-", "_")
        source.mkdir(parents=True)
        (source / "__init__.py").write_text(code, encoding="utf-8")
        groups = "".join(
            f'[project.entry-points."gal_friday.{group}"]\n{point}\n' for group, point in points.items()
        )
        told = f'[project]\nname = "{distribution}"\nversion = "{version}"\n{groups}'
        (folder / "pyproject.toml").write_text(told, encoding="utf-8")
        add(folder, site=self.folder)

    def forget(self) -> None:
        for name in set(sys.modules) - self._before:
            if getattr(sys.modules[name], "__file__", None) and str(self.folder) in str(
                sys.modules[name].__file__
            ):
                del sys.modules[name]
