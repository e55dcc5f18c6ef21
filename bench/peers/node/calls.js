// Time of a call without a breaker and under one: calls.js THREADS REPETITIONS SECONDS, where
// THREADS is 1. Prints {"breaker": [nanoseconds per call, one for each repetition]}.
'use strict';

const { circuitBreaker, handleAll, ConsecutiveBreaker } = require('cockatiel');
const Opossum = require('opossum');

async function dependency() {
  return 1;
}

async function measure(seconds, call) {
  const begin = process.hrtime.bigint();
  const end = begin + BigInt(Math.round(seconds * 1e9));
  let calls = 0;
  while (process.hrtime.bigint() < end) {
    for (let i = 0; i < 200; i++) await call();
    calls += 200;
  }
  return Number(process.hrtime.bigint() - begin) / calls;
}

async function main() {
  const [repetitions, seconds] = process.argv.slice(3).map(Number);
  const cockatiel = circuitBreaker(handleAll, {
    halfOpenAfter: 60_000,
    breaker: new ConsecutiveBreaker(5),
  });
  const opossum = new Opossum(dependency);
  const untimed = new Opossum(dependency, { timeout: false });
  const calls = {
    bare: dependency,
    cockatiel: () => cockatiel.execute(dependency),
    opossum: () => opossum.fire(),
    'opossum, timeout: false': () => untimed.fire(),
  };
  const samples = {};
  for (const call of Object.values(calls)) await measure(0.5, call); // warms up
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const [name, call] of Object.entries(calls)) {
      (samples[name] ??= []).push(await measure(seconds, call));
    }
  }
  console.log(JSON.stringify(samples));
  process.exit(0); // opossum's timers go on
}

main();
