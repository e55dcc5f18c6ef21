module switchgear/bench/peers/go_redis

go 1.26

// The last version that holds its Redis store itself. Later ones keep it in a module of its own,
// whose versions have no tag.
require github.com/sony/gobreaker/v2 v2.1.0

require (
	github.com/cespare/xxhash/v2 v2.2.0 // indirect
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f // indirect
	github.com/go-redsync/redsync/v4 v4.13.0 // indirect
	github.com/hashicorp/errwrap v1.1.0 // indirect
	github.com/hashicorp/go-multierror v1.1.1 // indirect
	github.com/redis/go-redis/v9 v9.7.0 // indirect
)
