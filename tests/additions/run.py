#!/usr/bin/env python3
"""One file more is one thing more: run.py BUILD. Puts a policy, a sampler, a quant format, a check and an architecture,
a file each, into a scratch copy of the tree, builds the command there and uses all five. What does not depend on a
registry is taken from BUILD, where the target kedge_command is up to date."""
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(sys.argv[1])
SCRATCH = os.path.join(BUILD, 'additions')
TREE, OUT = os.path.join(SCRATCH, 'tree'), os.path.join(SCRATCH, 'build')
SOURCES = ['CMakeLists.txt', 'bench', 'cmake', 'engine', 'include', 'kernels', 'memory', 'router', 'tokenizer', 'tools', 'weights']
GOLDEN = os.path.join(ROOT, 'tests', 'data', 'golden', 'llama', 'model.gguf')
SCOUT = os.path.join(ROOT, 'models', 'scout-q8_0.gguf')


def copy_tree():
    shutil.rmtree(SCRATCH, ignore_errors=True)
    os.makedirs(TREE)
    for name in SOURCES:
        path = os.path.join(ROOT, name)
        if os.path.isdir(path):
            shutil.copytree(path, os.path.join(TREE, name))
        else:
            shutil.copy2(path, TREE)
    added = []
    for folder, _, files in os.walk(os.path.join(HERE, 'files')):
        for name in files:
            relative = os.path.relpath(os.path.join(folder, name), os.path.join(HERE, 'files'))
            assert not os.path.exists(os.path.join(TREE, relative)), relative
            shutil.copy2(os.path.join(folder, name), os.path.join(TREE, relative))
            added.append(relative)
    assert len(added) == 5, added


def cached(names):
    """-D arguments with what BUILD was configured with."""
    found = []
    with open(os.path.join(BUILD, 'CMakeCache.txt')) as f:
        for line in f:
            m = re.match(r'(\w+):\w+=(.+)\n', line)
            if m and m[1] in names:
                found.append(f'-D{m[1]}={m[2]}')
    return found


def run(command, **more):
    result = subprocess.run(command, capture_output=True, **more)
    if result.returncode != 0:
        sys.exit(f'{command}\n{result.stdout.decode()}{result.stderr.decode()}')
    return result.stdout


def registered():
    """Objects of BUILD that read a registry."""
    objects, current = set(), None
    for line in run(['ninja', '-C', BUILD, '-t', 'deps']).decode().split('\n'):
        if line.startswith('    '):
            # The page is files, and what is said of the build is no registry.
            ours = 'generated/registry/' in line and not line.endswith(('/page_data.inc', '/build.h'))
            if ours and current:
                objects.add(current)
        else:
            current = line.split(':')[0]
    assert objects, 'ninja has no dependencies of ' + BUILD
    return objects


def build():
    options = ['CMAKE_BUILD_TYPE', 'CMAKE_C_COMPILER', 'CMAKE_CXX_COMPILER', 'CMAKE_C_FLAGS', 'CMAKE_CXX_FLAGS',
               'CMAKE_CXX_COMPILER_LAUNCHER', 'KEDGE_SANITIZE', 'KEDGE_WERROR']
    run(['cmake', '-G', 'Ninja', '-S', TREE, '-B', OUT, '-DKEDGE_BUILD_TESTS=OFF', '-DKEDGE_BUILD_BENCH=OFF'] + cached(options))
    depends = registered()
    first, compile_here, then, taken = [], [], [], 0
    for command in run(['ninja', '-C', OUT, '-t', 'commands', 'kedge_command']).decode().split('\n'):
        m = re.search(r' -o (\S+\.(?:o|gch)) -c ', command)
        if not m:
            if command:
                then.append(command)
            continue
        target = os.path.join(OUT, m[1])
        os.makedirs(os.path.dirname(target), exist_ok=True)
        known = os.path.join(BUILD, m[1])
        if m[1].endswith('.gch'):
            first.append(command)
        elif os.path.exists(known) and m[1] not in depends:
            shutil.copy2(known, target)
            taken += 1
        else:
            compile_here.append(command)
    for command in first:
        run(command, shell=True, cwd=OUT)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(lambda c: run(c, shell=True, cwd=OUT), compile_here))
    for command in then:
        run(command, shell=True, cwd=OUT)
    print(f'{len(compile_here)} objects built, {taken} taken', flush=True)
    assert taken > 100 and len(compile_here) >= 4, (taken, len(compile_here))


def kedge(arguments, home=OUT, isa=None):
    environment = dict(os.environ)
    if isa:
        environment['KEDGE_ISA'] = isa
    return subprocess.run([os.path.join(home, 'kedge')] + arguments, capture_output=True, env=environment, cwd=SCRATCH)


def good(arguments, **more):
    result = kedge(arguments, **more)
    assert result.returncode == 0, f'{shlex.join(arguments)}: {result.stderr.decode()}'
    return result.stdout


TOKENS = ','.join(str((i * 37 + i // 5) % 250 + 3) for i in range(90))


def logits(model, *more, **where):
    return good(['logits', '-m', model, '--tokens', TOKENS, '-o', '-', '--last', '8', *more], **where)


def architecture():
    with open(GOLDEN, 'rb') as f:
        data = f.read()
    key = b'general.architecture' + struct.pack('<IQ', 8, 5)
    assert key + b'llama' in data
    path = os.path.join(SCRATCH, 'a-new.gguf')
    with open(path, 'wb') as f:
        f.write(data.replace(key + b'llama', key + b'a-new').replace(b'llama.', b'a-new.'))
    before = kedge(['logits', '-m', path, '--tokens', '3', '-o', '-'], home=BUILD)
    assert before.returncode != 0 and b'a-new' in before.stderr, before.stderr
    assert logits(path) == logits(GOLDEN, home=BUILD)


def policy():
    small = ['--kv-budget', '48']
    odd = logits(GOLDEN, '--kv-policy', 'odd-ones', *small)
    assert odd == logits(GOLDEN, '--kv-policy', 'odd_ones', *small)
    assert odd != logits(GOLDEN, '--kv-policy', 'recency', *small)
    assert kedge(['logits', '-m', GOLDEN, '--tokens', '3', '-o', '-', '--kv-policy', 'odd-ones', *small], home=BUILD).returncode != 0
    assert b'odd-ones' in good(['logits', '--help'])


def sampler():
    ask = ['run', '-m', SCOUT, '-p', 'The lighthouse', '-n', '12', '--ignore-eos', '--seed', '7']
    best = good(ask + ['--temp', '0'])
    assert good(ask + ['--temp', '3', '--min-p', '0', '--top-p', '1', '--first-few', '1']) == best
    assert good(ask + ['--temp', '3', '--min-p', '0', '--top-p', '1']) != best


def quant():
    new, old = os.path.join(SCRATCH, 'z8_0.gguf'), os.path.join(SCRATCH, 'q8_0.gguf')
    good(['quantize', '-m', GOLDEN, '-o', new, '--type', 'z8-0'])
    good(['quantize', '-m', GOLDEN, '-o', old, '--type', 'Q8_0'])
    assert b'Z8_0' in good(['inspect', new, '--tensors'])
    assert logits(new) == logits(old), 'the same codes are the same numbers'
    assert logits(new) == logits(new, isa='reference')


def check():
    answer = json.loads(kedge(['check', '--answer', 'Yes!', '--json']).stdout)
    assert answer['verdict'] == 'fail' and 'loud' in json.dumps(answer), answer
    assert json.loads(kedge(['check', '--answer', 'Yes!', '--json'], home=BUILD).stdout)['verdict'] == 'unchecked'


copy_tree()
build()
for test in (architecture, policy, sampler, quant, check):
    test()
    print(test.__name__ + ': ok', flush=True)
shutil.rmtree(SCRATCH)
