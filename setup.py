"""Metadata of Parallel Flow; pyproject.toml holds only the build system and the tools."""

import ast
import sys
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "tools"))  # a build does not look there by itself

from build_pth import build_py_with_pth  # noqa: E402

RUN = [
    "ipyparallel>=8.4.1",  # the oldest that `make test-pythons` runs on
    "pyzmq>=25",
    "psutil>=5.9",
    "cloudpickle>=2.2",
    "tqdm>=4.62",
    # Without it, digests of large inputs take longer: a Python too new for it can do without.
    'xxhash>=3.0; python_version < "3.15"',
    "argcomplete>=3",  # tab completion of the command
    # lib2to3, with which VisTrails translates an old PythonSource, left Python in 3.13, and is
    # another package with some 3.12.
    'fissix>=24.4; python_version >= "3.12"',
]
GUI = ["PyQt5>=5.15"]
EXAMPLES = ["numpy>=1.23", "scikit-learn>=1.2"]
#: What VisTrails' bundled packages need, by their names.
PACKAGES = {
    "matplotlib": ["matplotlib>=3.5"],
    "persistence": ["dulwich>=0.21", *GUI],
    "sklearn": ["scikit-learn>=1.2"],
    "vtk": ["vtk>=9.2"],
}
DOCS = ["sphinx>=7.4", "myst-parser>=4"]
TEST = [
    *GUI,
    *EXAMPLES,
    *PACKAGES["matplotlib"],
    *PACKAGES["persistence"],
    *PACKAGES["sklearn"],
    *DOCS,
    "joblib>=1.2",
    "pytest>=8",
    "pytest-qt>=4.4",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.7",
    "hypothesis>=6.100",
    # One minor version each: what a newer linter finds is for a commit of its own.
    "mypy>=2.4,<2.5",
    "ruff>=0.17.6,<0.18",
]


def read_version() -> str:
    """Return the version that parallelflow/__init__.py states, without importing it."""
    source = (HERE / "parallelflow" / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "version" for target in node.targets
        ):
            return str(ast.literal_eval(node.value))
    raise RuntimeError("parallelflow/__init__.py states no version")


setup(
    name="parallelflow",
    version=read_version(),
    description="Run a VisTrails Map over a list in parallel on IPython engines",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The Parallel Flow developers",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    keywords=["VisTrails", "workflow", "parallel", "ipyparallel", "IPython", "map"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: X11 Applications :: Qt",
        "Framework :: IPython",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Programming Language :: Python :: 3.15",
        "Topic :: Scientific/Engineering",
        "Topic :: System :: Distributed Computing",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["parallelflow", "parallelflow.*"]),
    package_data={"parallelflow": ["py.typed"]},
    zip_safe=False,
    python_requires=">=3.10",
    install_requires=RUN,
    extras_require={"gui": GUI, "examples": EXAMPLES, **PACKAGES, "docs": DOCS, "test": TEST},
    cmdclass={"build_py": build_py_with_pth},
    entry_points={"console_scripts": ["parallelflow = parallelflow.cli:main"]},
)
