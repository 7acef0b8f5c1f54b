// All of the core that programs use, for those who do not want to choose: `#include <shale/core/core.hh>`.
// A file that is included by others should name what it needs instead; see the README of each level.
// check: allow closure, it is the sum of the core on purpose
// check: allow test, every example and app compiles it
#pragma once

#include "app/app_template.hh"
#include "async/abort_source.hh"
#include "async/coroutine.hh"
#include "async/loop.hh"
#include "async/when_all.hh"
#include "base/log.hh"
#include "shard/alien.hh"
#include "shard/foreign_ptr.hh"
#include "shard/scheduling.hh"
#include "shard/shard_local.hh"
#include "shard/sleep.hh"
#include "shard/smp.hh"
#include "shard/timer.hh"
#include "sync/condition_variable.hh"
#include "sync/gate.hh"
#include "sync/queue.hh"
#include "sync/semaphore.hh"
#include "sync/stream.hh"
