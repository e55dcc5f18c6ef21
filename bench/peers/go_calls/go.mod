module switchgear/bench/peers/go_calls

go 1.26

require (
	github.com/failsafe-go/failsafe-go v0.9.7
	github.com/sony/gobreaker/v2 v2.4.0
)

require github.com/bits-and-blooms/bitset v1.24.4 // indirect
