//! Time of a call without a breaker and under one: calls THREADS REPETITIONS SECONDS.
//! Prints {"breaker": [nanoseconds per call, one for each repetition]}.

use failsafe::CircuitBreaker;
use std::hint::black_box;
use std::time::{Duration, Instant};

#[inline(never)]
fn dependency() -> Result<i32, i32> {
    black_box(Ok(1))
}

/// Nanoseconds that each of the threads needs for a call, all calling at once.
fn measure(threads: usize, seconds: f64, call: &(impl Fn() -> bool + Sync)) -> f64 {
    let per_call = || {
        let begin = Instant::now();
        let mut calls = 0u32;
        while begin.elapsed() < Duration::from_secs_f64(seconds) {
            for _ in 0..100 {
                assert!(black_box(call()), "a call was refused");
            }
            calls += 100;
        }
        begin.elapsed().as_nanos() as f64 / f64::from(calls)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(per_call)).collect();
        running.into_iter().map(|r| r.join().unwrap()).sum::<f64>() / threads as f64
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads: usize = arguments[0].parse().unwrap();
    let repetitions: usize = arguments[1].parse().unwrap();
    let seconds: f64 = arguments[2].parse().unwrap();

    let recloser = recloser::Recloser::default();
    let failsafe = failsafe::Config::new().build();
    let all = |seconds| {
        [
            measure(threads, seconds, &|| dependency().is_ok()),
            measure(threads, seconds, &|| recloser.call(dependency).is_ok()),
            measure(threads, seconds, &|| failsafe.call(dependency).is_ok()),
        ]
    };
    all(0.2); // warms up
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..repetitions {
        for (of_one, ns) in samples.iter_mut().zip(all(seconds)) {
            of_one.push(ns);
        }
    }
    let [bare, recloser, failsafe] = samples;
    println!("{{\"bare\":{bare:?},\"recloser\":{recloser:?},\"failsafe\":{failsafe:?}}}");
}
