"""The built parts: the cffi module, ``libhakmem.so`` and ``hakmem-run``; filled by the build."""
