"""Post-images of oplog updates: $v:2 deltas, $v:1 modifiers, replacements; on raw BSON.

Lenient as a member is that catches up: what does not fit the document is left out.
"""

import raw_bson as rb

NULL_VALUE = (rb.NULL, b"")


def post_image(pre, update):
    """The document that `o` of an update entry makes of `pre`."""
    shape = rb.fields(update)
    if b"_id" in shape:
        return id_first(update)
    if b"$v" in shape and rb.integer_of(shape[b"$v"]) == 2:
        return id_first(_apply_delta(pre, shape[b"diff"][1]))
    if b"$set" in shape or b"$unset" in shape:
        return id_first(_apply_modifiers(pre, shape))
    raise ValueError("an update of an unknown form")


def id_first(raw):
    if raw[5:9] == b"_id\0":
        return raw
    parts = list(rb.elements(raw))
    parts.sort(key=lambda part: part[0] != b"_id")
    return rb.document(*(rb.element(name, (kind, value)) for name, kind, value in parts))


def _apply_delta(pre, diff):
    sections = {b"d": {}, b"u": {}, b"i": {}}
    nested = {}
    for name, kind, value in rb.elements(diff):
        if name in sections:
            sections[name] = rb.fields(value)
        else:
            nested[name[1:]] = (kind, value)
    removed, updated, inserted = sections[b"d"], dict(sections[b"u"]), sections[b"i"]
    parts = []
    for name, kind, value in rb.elements(pre):
        if name in removed or name in inserted:
            continue
        if name in sections[b"u"]:
            updated.pop(name, None)
            parts.append(rb.element(name, sections[b"u"][name]))
        elif name in nested:
            parts.append(rb.element(name, _nested((kind, value), nested[name][1])))
        else:
            parts.append(rb.element(name, (kind, value)))
    parts += [rb.element(name, value) for name, value in updated.items()]
    parts += [rb.element(name, value) for name, value in inserted.items()]
    return rb.document(*parts)


def _nested(value, diff):
    first = next(rb.elements(diff))[0]
    if first == b"a" and value[0] == rb.ARRAY:
        return rb.ARRAY, _apply_array_delta(value[1], diff)
    if first != b"a" and value[0] == rb.OBJECT:
        return rb.OBJECT, _apply_delta(value[1], diff)
    return NULL_VALUE


def _apply_array_delta(pre, diff):
    old = rb.members(pre)
    length, changes = len(old), {}
    for name, kind, value in rb.elements(diff):
        if name == b"l":
            length = rb.integer_of((kind, value))
        elif name != b"a":
            changes[int(name[1:])] = (name[:1], (kind, value))
    length = max([length, *(index + 1 for index in changes)])
    parts = []
    for index in range(length):
        here = old[index] if index < len(old) else NULL_VALUE
        if index in changes:
            how, value = changes[index]
            here = value if how == b"u" else _nested(here, value[1])
        parts.append(rb.element(b"%d" % index, here))
    return rb.document(*parts)


def _apply_modifiers(pre, shape):
    tree = {}
    for modifier in (b"$unset", b"$set"):
        for path, kind, value in rb.elements(shape.get(modifier, (rb.OBJECT, rb.EMPTY))[1]):
            parts, node = path.split(b"."), tree
            for part in parts[:-1]:
                node = node.setdefault(part, {})
            node[parts[-1]] = (kind, value) if modifier == b"$set" else None
    return _walk((rb.OBJECT, pre), tree)[1]


def _walk(container, tree):
    if container[0] == rb.OBJECT:
        return rb.OBJECT, _walk_object(container[1], tree)
    if container[0] == rb.ARRAY:
        return rb.ARRAY, _walk_array(container[1], tree)
    return container


def _leaf_or_deeper(old, action):
    return _walk(old, action) if isinstance(action, dict) else action


def _walk_object(raw, tree):
    parts = [(name, (kind, value)) for name, kind, value in rb.elements(raw)]
    for name in sorted(tree):
        action = tree[name]
        index = next((at for at, part in enumerate(parts) if part[0] == name), None)
        if index is None:
            made = _leaf_or_deeper((rb.OBJECT, rb.EMPTY), action)
            if made is not None and _sets_something(action):
                parts.append((name, made))
        elif action is None:
            parts.pop(index)
        else:
            parts[index] = (name, _leaf_or_deeper(parts[index][1], action))
    return rb.document(*(rb.element(name, value) for name, value in parts))


def _sets_something(action):
    if isinstance(action, dict):
        return any(map(_sets_something, action.values()))
    return action is not None


def _walk_array(raw, tree):
    values = rb.members(raw)
    for name in sorted(tree):
        action = tree[name]
        if not name.isdigit():
            continue
        index = int(name)
        if index < len(values):
            made = _leaf_or_deeper(values[index], action)
            values[index] = NULL_VALUE if made is None else made
        elif _sets_something(action):
            values += [NULL_VALUE] * (index - len(values))
            values.append(_leaf_or_deeper((rb.OBJECT, rb.EMPTY), action))
    return rb.document(*(rb.element(b"%d" % at, value) for at, value in enumerate(values)))
