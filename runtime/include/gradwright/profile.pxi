# The end of a module that is made to profile.

def _spent():
    """Nanoseconds that each part took since this was asked for the last time."""
    cdef Py_ssize_t k
    cdef list found = []
    for k in range(len(_PARTS)):
        found.append(_SPENT[k])
        _SPENT[k] = 0
    return found


def _threads():
    """How many threads may share a part."""
    return _team()
