/* How a header's heavy functions are compiled once and linked into many modules.

   A header is complete by itself: what includes it has its functions as static ones, and builds with nothing but this folder.
   A header X.h whose functions take the C compiler long may also be compiled alone, into an object file that modules link:

     GW_OBJECT_X    this unit is that object: its entries, which GW_X_ENTRY marks, are there for other units of the module
     GW_LINKED_X    such an object is linked: X.h declares its entries and defines nothing else of them

   An object is compiled at -O3, or by gcc at -On where its header defines GW_LEVEL_X as n, on a line of its own: for what waits for
   others, -O3 takes twice the time and gains nothing.

   GW_WITHOUT_F32 and GW_WITHOUT_F64 leave one real type out of an object, or of a module that has the other one. A header takes
   part by asking for defined(GW_OBJECT_X): the build looks for these words. Objects are hidden within the module that they are
   linked into. */
#ifndef GRADWRIGHT_OBJECT_H
#define GRADWRIGHT_OBJECT_H

#define GW_SHARED __attribute__((visibility("hidden"), noinline))
#define GW_ELSEWHERE extern __attribute__((visibility("hidden")))

/* What runs before it is known that this processor has the instructions that the flags allow (machine.h): not optimised, and
   with nothing but integers, it uses none of them. */
#if defined(__clang__)
#define GW_PLAIN __attribute__((noinline, optnone))
#elif defined(__GNUC__)
#define GW_PLAIN __attribute__((noinline, optimize("O0")))
#else
#define GW_PLAIN
#endif

#endif
