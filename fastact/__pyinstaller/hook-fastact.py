"""Into a frozen application go all modules of `fastact.core` and `fastact.integrations`, and no library.

Both are imported by names that are computed: a pass's class when its object is made, an integration when
an array comes. Which libraries an application has is its own business: as files that nobody reads while
freezing, the integrations bring none along.
"""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

hiddenimports = collect_submodules("fastact.core")
datas = collect_data_files("fastact", subdir="integrations", include_py_files=True)
