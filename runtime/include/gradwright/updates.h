/* The update rules of the library's optimisers, as C:

     gw_update_adam_f64(w, g, states, hypers, t, count)        and _f32

   The rules are written in compiler/library/optimizers.gw; updates_real.h is what the compiler makes of them. */
#ifndef GRADWRIGHT_UPDATES_H
#define GRADWRIGHT_UPDATES_H

#include "object.h"
#include "power.h"
#include "scalar.h"

#if defined(GW_OBJECT_UPDATES)
#define GW_UPDATES_ENTRY GW_SHARED
#elif defined(GW_LINKED_UPDATES)
#define GW_UPDATES_ENTRY GW_ELSEWHERE
#else
#define GW_UPDATES_ENTRY static __attribute__((noinline, unused))
#endif

/* Each rule is one loop over all parameters: vectorising it is all that -O3 gains, in three fifths of the time. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC push_options
#pragma GCC optimize("O1", "expensive-optimizations", "tree-loop-vectorize")
#endif

#ifndef GW_WITHOUT_F32
#define GW_REAL float
#define GW_NAME(name) name##_f32
#define GW_MATH(name) gw_##name##f
#include "updates_real.h"
#undef GW_REAL
#undef GW_NAME
#undef GW_MATH
#endif

#ifndef GW_WITHOUT_F64
#define GW_REAL double
#define GW_NAME(name) name##_f64
#define GW_MATH(name) gw_##name
#include "updates_real.h"
#undef GW_REAL
#undef GW_NAME
#undef GW_MATH
#endif

#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC pop_options
#endif
#endif
