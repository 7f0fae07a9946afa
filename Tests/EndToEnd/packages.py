"""The packages of requirements.txt for tests that import them: importing this makes them known."""

import site

import programs

TOOLS = programs.ROOT / ".build/test-venv/bin"
_packages = list((programs.ROOT / ".build/test-venv/lib").glob("python3*/site-packages"))
assert _packages, "the packages of requirements.txt are missing: run scripts/setup test"
site.addsitedir(str(_packages[0]))
