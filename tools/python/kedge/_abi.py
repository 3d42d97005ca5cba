"""What include/kedge/*.h declare, for ctypes: structs, callbacks, functions, numbers. tests/python/abi_test.py holds
every line of it against the headers; nothing else in this package knows a layout."""
from __future__ import annotations

import ctypes as c
from typing import Any, Dict, List, Tuple, Type

ABI_VERSION = 1

Str_p = c.c_void_p  # const char*: a struct keeps the address only, so whoever fills one keeps the bytes


class Str(c.Structure):
    _fields_ = [("data", Str_p), ("size", c.c_size_t)]


class ModelOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("use_mmap", c.c_int32), ("on_progress", c.c_void_p),
                ("user", c.c_void_p), ("vocab_only", c.c_int32), ("weights_cache", Str)]


class AdapterUse(c.Structure):
    _fields_ = [("adapter", c.c_void_p), ("scale", c.c_float)]


class SessionOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("n_ctx", c.c_int32), ("n_threads", c.c_int32), ("chunk", c.c_int32),
                ("kv_type", c.c_int32), ("numerics", c.c_int32), ("kv", Str), ("adapters", c.c_void_p),
                ("n_adapters", c.c_size_t)]


class ModelInfo(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("n_vocab", c.c_int32), ("n_ctx_train", c.c_int32),
                ("n_layers", c.c_int32), ("d_model", c.c_int32), ("bos_token", c.c_int32), ("eos_token", c.c_int32),
                ("add_bos", c.c_int32), ("has_chat_template", c.c_int32), ("n_parameters", c.c_uint64),
                ("weight_bytes", c.c_uint64), ("bytes_per_token", c.c_uint64)]


class EngineOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("n_threads", c.c_int32), ("sequences", c.c_int32),
                ("memory", c.c_uint64), ("step_tokens", c.c_int32), ("step_ms", c.c_double), ("waiting", c.c_int32),
                ("default_tokens", c.c_int32), ("kv_type", c.c_int32), ("numerics", c.c_int32), ("spill", Str)]


class SessionInfo(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("n_ctx", c.c_int32), ("n_threads", c.c_int32), ("n_past", c.c_int32),
                ("n_vocab", c.c_int32), ("kv_bytes", c.c_uint64), ("scratch_bytes", c.c_uint64)]


class EvalOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("on_row", c.c_void_p), ("on_progress", c.c_void_p),
                ("user", c.c_void_p)]


class PrefixCacheOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("entries", c.c_int32), ("sessions", c.c_int32)]


class EmbedOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("pooling", c.c_int32), ("normalise", c.c_int32), ("key", Str),
                ("deadline_ms", c.c_double), ("cancel", c.c_void_p)]


class ImatrixOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("chunk", c.c_int32), ("chunks", c.c_int32), ("n_threads", c.c_int32),
                ("output", c.c_int32), ("dataset", Str), ("cancel", c.c_void_p), ("on_progress", c.c_void_p),
                ("user", c.c_void_p)]


class Setting(c.Structure):
    _fields_ = [("name", Str), ("value", c.c_double)]


class LogitBias(c.Structure):
    _fields_ = [("token", c.c_int32), ("bias", c.c_float)]


class LogprobRow(c.Structure):
    _fields_ = [("token", c.c_int32), ("logprob", c.c_double)]


class GenerateOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("max_tokens", c.c_int32), ("logprobs", c.c_int32),
                ("ignore_eos", c.c_int32), ("render_special", c.c_int32), ("seed", c.c_uint64),
                ("request", c.c_uint64), ("settings", c.c_void_p), ("n_settings", c.c_size_t), ("stop", c.c_void_p),
                ("n_stop", c.c_size_t), ("logit_bias", c.c_void_p), ("n_logit_bias", c.c_size_t),
                ("on_text", c.c_void_p), ("on_token", c.c_void_p), ("on_prefill", c.c_void_p), ("user", c.c_void_p),
                ("key", Str), ("deadline_ms", c.c_double), ("weight", c.c_double), ("constraint", Str),
                ("samplers", Str), ("speculation", Str), ("draft", c.c_void_p)]


class GenerationResult(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("finish_reason", c.c_int32), ("stop_index", c.c_int32),
                ("tokens", c.c_void_p), ("n_tokens", c.c_size_t), ("text", Str), ("logprobs", c.c_void_p),
                ("logprobs_per_token", c.c_size_t), ("n_prompt", c.c_size_t), ("prefill_ms", c.c_double),
                ("decode_ms", c.c_double), ("settings", Str), ("kv", Str), ("cpu_s", c.c_double),
                ("speculation", Str), ("unfinished", c.c_int32)]


class BeamOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("beams", c.c_int32), ("n_best", c.c_int32), ("max_tokens", c.c_int32),
                ("stop", c.c_int32), ("render_special", c.c_int32), ("length_penalty", c.c_double),
                ("constraint", Str), ("deadline_ms", c.c_double), ("on_prefill", c.c_void_p), ("user", c.c_void_p)]


class AskOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("on_event", c.c_void_p), ("user", c.c_void_p), ("cancel", c.c_void_p)]


STRUCTS: Dict[str, Type[c.Structure]] = {
    "kedge_str": Str, "kedge_model_options": ModelOptions, "kedge_adapter_use": AdapterUse,
    "kedge_session_options": SessionOptions, "kedge_model_info": ModelInfo, "kedge_engine_options": EngineOptions,
    "kedge_session_info": SessionInfo, "kedge_eval_options": EvalOptions,
    "kedge_prefix_cache_options": PrefixCacheOptions, "kedge_embed_options": EmbedOptions,
    "kedge_imatrix_options": ImatrixOptions, "kedge_setting": Setting, "kedge_logit_bias": LogitBias,
    "kedge_logprob": LogprobRow, "kedge_generate_options": GenerateOptions,
    "kedge_generation_result": GenerationResult, "kedge_beam_options": BeamOptions, "kedge_ask_options": AskOptions,
}

# Enumerators by their C names; a member's name in Python is what follows the prefix, in small letters.
NUMBERS: Dict[str, Dict[str, int]] = {
    "KEDGE_": {"ok": 0, "invalid_argument": 1, "not_found": 2, "corrupt": 3, "unsupported": 4, "capacity": 5, "io": 6,
               "cancelled": 7, "internal": 8},
    "KEDGE_KV_": {"f32": 0, "f16": 1, "q8_0": 2, "q4_0": 3},
    "KEDGE_NUMERICS_": {"exact": 0, "fast": 1},
    "KEDGE_TOKENIZE_": {"add_bos": 1, "parse_special": 2, "exact_bytes": 4},
    "KEDGE_DETOKENIZE_": {"special": 1},
    "KEDGE_TOKEN_": {"control": 1, "eog": 2, "byte": 4, "user_defined": 8, "unknown": 16},
    "KEDGE_POOLING_": {"model": -1, "none": 0, "mean": 1, "cls": 2, "last": 3},
    "KEDGE_FINISH_": {"stop_token": 1, "stop_string": 2, "length": 3, "context_full": 4, "cancelled": 5,
                      "deadline": 6},
    "KEDGE_BEAM_STOP_": {"first": 1, "as_they_stand": 2, "proven": 3},
    "KEDGE_LOG_": {"error": 1, "warning": 2, "info": 3, "debug": 4},
}

# A callback's first argument is `user`, which Python does not need: a closure knows.
PROGRESS_FN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_size_t, c.c_size_t)
ROW_FN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int32, c.c_void_p, c.c_size_t)
TEXT_FN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_size_t)
TOKEN_FN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int32, c.c_void_p, c.c_size_t)
EVENT_FN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_size_t)
CALLBACKS: Dict[str, Any] = {"kedge_progress_fn": PROGRESS_FN, "kedge_row_fn": ROW_FN, "kedge_text_fn": TEXT_FN,
                             "kedge_token_fn": TOKEN_FN, "kedge_event_fn": EVENT_FN}

# Result and parameters, a letter each: s kedge_status, v void, c const char*, i int or int32_t, u uint32_t,
# q uint64_t, z size_t, p any pointer (a callback too).
TYPES: Dict[str, Any] = {"s": c.c_int, "v": None, "c": c.c_char_p, "i": c.c_int32, "u": c.c_uint32, "q": c.c_uint64,
                         "z": c.c_size_t, "p": c.c_void_p}
FUNCTIONS: Dict[str, str] = {
    "kedge_version": "c", "kedge_abi_version": "i", "kedge_status_name": "ci", "kedge_last_error": "c",
    "kedge_free": "vp", "kedge_cancel_create": "sp", "kedge_cancel_set": "vpi", "kedge_cancel_free": "vp",
    "kedge_build_info": "spp", "kedge_set_log": "vppi", "kedge_default_threads": "i", "kedge_system_info": "spp", "kedge_settings_schema": "spp",
    "kedge_model_options_init": "vpz", "kedge_model_open": "spzpp", "kedge_model_write_weights_cache": "sppp", "kedge_model_close": "vp",
    "kedge_model_get_info": "spp", "kedge_model_describe": "spppp", "kedge_tokenize": "sppzupp",
    "kedge_detokenize": "sppzupp", "kedge_token": "spippp", "kedge_chat_render": "sppzpzpp",
    "kedge_chat_tokenize": "sppzpzpp", "kedge_chat_tokenize_marked": "sppzpzpppp",
    "kedge_detect_references": "spzpp", "kedge_engine_options_init": "vpz", "kedge_engine_create": "sppp",
    "kedge_engine_free": "vp", "kedge_engine_session": "sppp", "kedge_engine_stats": "sppp",
    "kedge_engine_session_load": "sppzpp", "kedge_session_options_init": "vpz", "kedge_session_create": "sppp",
    "kedge_session_free": "vp", "kedge_session_get_info": "spp", "kedge_session_tokens": "sppp",
    "kedge_eval_options_init": "vpz", "kedge_session_eval": "sppzp", "kedge_session_logits": "sppp",
    "kedge_session_experts": "sppp", "kedge_session_truncate": "spi", "kedge_session_add_segments": "sppzpp",
    "kedge_session_kv": "sppp", "kedge_session_kv_log": "spqpp", "kedge_session_recall": "sppzpp",
    "kedge_session_fork": "spp", "kedge_session_checkpoint": "spp", "kedge_session_rollback": "spp",
    "kedge_checkpoint_free": "vp", "kedge_session_save": "sppz", "kedge_session_load": "sppzpp",
    "kedge_session_set_cancel": "vpi", "kedge_prefix_cache_options_init": "vpz", "kedge_prefix_cache_create": "spppp",
    "kedge_prefix_cache_create_on": "spppp", "kedge_prefix_cache_free": "vp",
    "kedge_prefix_cache_acquire": "sppzpzpp", "kedge_prefix_cache_acquire_adapted": "sppzpzpzpp",
    "kedge_prefix_cache_store": "spp", "kedge_prefix_cache_stats": "sppp", "kedge_embed_options_init": "vpz",
    "kedge_embed": "sppzppp", "kedge_imatrix_options_init": "vpz", "kedge_imatrix_write": "sppzppzpp",
    "kedge_adapter_open": "sppzp", "kedge_adapter_close": "vp", "kedge_adapter_describe": "sppp",
    "kedge_constraint_check": "sppzpp", "kedge_chat_format": "sppp", "kedge_chat_reader_create": "sppzp",
    "kedge_chat_reader_push": "sppzipp", "kedge_chat_reader_free": "vp", "kedge_generate_options_init": "vpz",
    "kedge_generate": "sppzpp", "kedge_generation_get": "spp", "kedge_generation_free": "vp",
    "kedge_beam_options_init": "vpz", "kedge_beam_search": "sppzppp", "kedge_router_open": "spzpzp",
    "kedge_router_free": "vp", "kedge_router_ask": "sppzpppp", "kedge_ask_options_init": "vpz",
    "kedge_router_ask_with": "sppzppp", "kedge_router_replay": "sppzpp", "kedge_router_swap": "sppzpp",
    "kedge_router_state": "sppp", "kedge_router_configure": "sppzpp", "kedge_router_models": "sppp",
    "kedge_router_engine": "sppzpp", "kedge_index_build": "spzpppp", "kedge_index_search": "spzpp",
    "kedge_index_info": "spzpp", "kedge_audit_list": "spzpp", "kedge_audit_show": "spzpp",
    "kedge_audit_verify": "spzpp", "kedge_audit_export": "spzpp", "kedge_calibrate": "spzpp",
    "kedge_route_report": "spzpp", "kedge_calibrator_apply": "spzpp", "kedge_check_answer": "spzpp",
}


def prototype(signature: str) -> Tuple[Any, List[Any]]:
    return TYPES[signature[0]], [TYPES[letter] for letter in signature[1:]]
