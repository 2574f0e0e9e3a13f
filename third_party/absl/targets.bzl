"""Abseil's own labels: package -> target -> the name of its pkg-config file without absl_."""

def _same(*names):
    return {name: name for name in names}

TARGETS = {
    "algorithm": {"algorithm": "algorithm", "container": "algorithm_container"},
    "base": _same("base", "config", "core_headers", "dynamic_annotations", "endian", "log_severity", "prefetch"),
    "cleanup": _same("cleanup"),
    "container": _same(
        "btree",
        "fixed_array",
        "flat_hash_map",
        "flat_hash_set",
        "inlined_vector",
        "node_hash_map",
        "node_hash_set",
    ),
    "debugging": _same("failure_signal_handler", "leak_check", "stacktrace", "symbolize"),
    "flags": {
        "commandlineflag": "flags_commandlineflag",
        "config": "flags_config",
        "flag": "flags",
        "marshalling": "flags_marshalling",
        "parse": "flags_parse",
        "reflection": "flags_reflection",
        "usage": "flags_usage",
    },
    "functional": _same("any_invocable", "bind_front", "function_ref"),
    "hash": _same("hash"),
    "memory": _same("memory"),
    "meta": {"type_traits": "type_traits"},
    "numeric": _same("bits", "int128"),
    "random": {
        "bit_gen_ref": "random_bit_gen_ref",
        "distributions": "random_distributions",
        "random": "random_random",
        "seed_sequences": "random_seed_sequences",
    },
    "status": _same("status", "statusor"),
    "strings": _same("cord", "str_format", "strings"),
    "synchronization": _same("synchronization"),
    "time": _same("civil_time", "time", "time_zone"),
    "types": _same("any", "compare", "optional", "span", "variant"),
    "utility": _same("utility"),
}
