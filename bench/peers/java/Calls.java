package switchgear;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.CompilerControl;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Time of a call without a breaker and under one, by JMH; all threads share the breaker. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class Calls {
  private final CircuitBreaker breaker = CircuitBreaker.ofDefaults("bench");
  private final Supplier<Integer> dependency = this::dependency;

  @CompilerControl(CompilerControl.Mode.DONT_INLINE)
  public Integer dependency() {
    return 1;
  }

  @Benchmark
  public Integer bare() {
    return dependency.get();
  }

  @Benchmark
  public Integer resilience4j() {
    return breaker.executeSupplier(dependency);
  }
}
