# The end of a checked module: a call whose kernels met a NaN or an infinity raises an error that names the model's line.

cdef extern from "gradwright/checked.h" nogil:
    int _found "gw_found"
    Py_ssize_t _found_at "gw_found_at"
    double _found_value "gw_found_value"
    void _look_again "gw_look_again"() noexcept


cdef object _not_finite():
    what, file, line, text = _LOOKS[_found]
    place = _found_at
    if "{}" in what:    # of an update rule, which counts along all parameters
        for param in _SPEC["params"]:
            count = 1
            for size in param["shape"]:
                count *= size
            if not param["frozen"] and 0 <= _found_at - param["offset"] < count:
                place = _found_at - param["offset"]
                break
        at = f"[{place}]" if param["shape"] else ""
        message = what.replace("{}", param["name"] + at)
    else:
        at = f"[{place}]" if place > 0 else ""
        name, comma, rest = what.partition(",")
        message = f"{name}{at}{comma}{rest}"
    number = "NaN" if _found_value != _found_value else "infinite" if _found_value > 0 else "-infinite"
    flat = " (counted along all axes)" if at else ""
    message = (f"{file}:{line}: " if file else "") + f"{message} is {number}{flat}" + (f"\n    {text}" if text else "")
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
    module["_steps"] = _looking(module["_steps"])


_look_everywhere(globals())
