"""The objects behind `fa.NAME`, and how arrays of any layout reach the kernels."""
