"""What tests of clients do with botocore's service models: examples of answers, and every way to
change one of their members."""

import copy


def enums_of(shape, value, path=""):
    """Yields what in `value` is none of the values that the model names."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield from enums_of(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            yield from enums_of(shape.member, inner, f"{path}[]")
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from enums_of(shape.value, inner, f"{path}[{name}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value}"


def example(shape, given=None, depth=0):
    """A value of that shape with everything the model knows. `given` maps names of shapes to the
    values to take for them."""
    if given and shape.name in given:
        return given[shape.name]
    if shape.type_name == "structure":
        return {name: example(inner, given, depth + 1) for name, inner in shape.members.items()
                if depth < 8}
    if shape.type_name == "list":
        return [example(shape.member, given, depth + 1)]
    if shape.type_name == "map":
        return {"id": example(shape.value, given, depth + 1)}
    return {
        "string": shape.enum[0] if getattr(shape, "enum", None) else "x",
        "integer": 1, "long": 1, "double": 1.5, "float": 1.5, "boolean": True,
        "timestamp": 1.5e9, "blob": "eA==",
    }[shape.type_name]


def places(value, path=()):
    """The paths of all members of objects in `value`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield path + (name,)
            yield from places(inner, path + (name,))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, path + (index,))


def changed(value, path, change):
    """A copy of `value` where change(parent, name) was applied at `path`."""
    value = copy.deepcopy(value)
    parent = value
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return value


def without(parent, name):
    del parent[name]


def emptied(parent, name):
    parent[name] = None


def joined(parent, name):
    parent["NewerMember"] = {"any": ["thing", None, 7]}


def wrong(parent, name):
    parent[name] = 7.5 if isinstance(parent[name], (str, dict, list)) else "seven"
