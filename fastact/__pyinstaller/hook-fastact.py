"""Into a frozen application go all modules of `fastact.integrations`, and none of the libraries of these.

They are imported by names that are computed when an array comes, and which libraries an application has is
its own business: as files that nobody reads while freezing, they bring none along.
"""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("fastact", subdir="integrations", include_py_files=True)
