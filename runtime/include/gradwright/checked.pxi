# The end of a checked module: a call whose kernels met a NaN or an infinity raises an error that names the model's line.

cdef extern from "gradwright/checked.h" nogil:
    int _found "gw_found"
    Py_ssize_t _found_at "gw_found_at"
    double _found_value "gw_found_value"
    void _look_again "gw_look_again"() noexcept


cdef object _not_finite():
    what, file, line, text = _LOOKS[_found]
    at = f"[{_found_at}]" if _found_at > 0 else ""
    where = f"{file}:{line}: " if file else ""
    number = "NaN" if _found_value != _found_value else "infinite" if _found_value > 0 else "-infinite"
    name, comma, rest = what.partition(",")
    flat = " (counted along all axes)" if at else ""
    message = f"{where}{name}{at}{comma}{rest} is {number}{flat}" + (f"\n    {text}" if text else "")
    try:
        from gradwright.runtime.errors import NotFiniteError
    except ImportError:
        return FloatingPointError(message)
    return NotFiniteError(message)


def _looking(function):
    """The function, which afterwards raises the error of what was found."""
    def call(*arguments):
        _look_again()
        result = function(*arguments)
        if _found >= 0:
            raise _not_finite()
        return result
    return call


def _look_everywhere(module):
    engine = module["Model"].engine
    engine.run = _looking(engine.run)
    if engine.fast is not None:
        engine.fast = _looking(engine.fast)
    module["_train"] = _looking(module["_train"])


_look_everywhere(globals())
