"""Work on millions of shots: ranges, engines that do them, one file that is filled by one writer.

A bulk work is described once, by a function that opens what it needs and returns another from a
range of shots to arrays. `plain` does it by processes of this machine, `on_dask` by workers of a
Dask cluster; `filling` puts what comes back to its place. It knows nothing of what the work is.
"""
