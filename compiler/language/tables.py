"""Made from grammar.lark by lalr.py: do not edit. The LALR(1) tables, one state a row (indented lines go on).

In ACTIONS a terminal is followed by the next state, or by ~r for a reduction with rule r of RULES: (what it makes, the name
of the method that builds it, how many symbols it takes). GOTOS has the states after a reduction.
"""

START = {"line": 0, "def_line": 1, "layer_line": 2, "for_line": 3, "scan_line": 4, "update_line": 5, "expr": 6}

RULES = (
    ("names", "first", 1),
    ("line", "", 1),
    ("def_line", "", 1),
    ("layer_line", "", 1),
    ("for_line", "", 1),
    ("scan_line", "", 1),
    ("update_line", "", 1),
    ("atom", "boolean", 1),
    ("atom", "ref", 1),
    ("atom", "number", 1),
    ("atom", "text", 1),
    ("or_test", "", 1),
    ("postfix", "", 1),
    ("comparison", "compare", 1),
    ("not_test", "", 1),
    ("term", "", 1),
    ("and_test", "", 1),
    ("expr", "", 1),
    ("power", "", 1),
    ("factor", "", 1),
    ("comparison", "", 1),
    ("sum", "", 1),
    ("line", "dtype", 2),
    ("hypers", "first", 1),
    ("line", "hyper", 2),
    ("shape", "no_shape", 0),
    ("indices", "first", 1),
    ("line", "index", 2),
    ("declareds", "first", 1),
    ("line", "input", 2),
    ("line", "minimize", 2),
    ("line", "output", 2),
    ("size_item", "size_item", 1),
    ("sizes", "first", 1),
    ("line", "size", 2),
    ("line", "use_library", 2),
    ("line", "use_file", 2),
    ("def_line", "return_", 2),
    ("layer_line", "return_", 2),
    ("scan_line", "emit", 2),
    ("factor", "unary", 2),
    ("arguments", "none", 0),
    ("exprs", "first", 1),
    ("comparator", "", 1),
    ("not_test", "unary", 2),
    ("start", "nothing", 0),
    ("formals", "none", 0),
    ("index_item", "declared", 2),
    ("declared", "declared", 2),
    ("layer_formals", "none", 0),
    ("names", "more", 3),
    ("binding", "binding", 3),
    ("param", "param", 3),
    ("atom", "parens", 3),
    ("argument_list", "first", 1),
    ("arguments", "", 1),
    ("argument", "", 1),
    ("atom", "array", 3),
    ("and_test", "binary", 3),
    ("chain", "chain_more", 3),
    ("stage", "stage", 1),
    ("expr", "piped", 3),
    ("or_test", "binary", 3),
    ("power", "power", 3),
    ("postfix", "attribute", 3),
    ("item", "", 1),
    ("start", "", 1),
    ("items", "first", 1),
    ("sum", "binary", 3),
    ("chain", "chain_first", 3),
    ("term", "binary", 3),
    ("formal", "formal", 1),
    ("formal_list", "first", 1),
    ("formals", "", 1),
    ("line", "gradient", 4),
    ("hyper_item", "hyper_item", 3),
    ("hypers", "more", 3),
    ("indices", "more", 3),
    ("declareds", "more", 3),
    ("layer_formal", "", 1),
    ("layer_formal_list", "first", 1),
    ("layer_formals", "", 1),
    ("line", "minimize", 4),
    ("step", "next", 4),
    ("line", "output_value", 4),
    ("param", "param", 4),
    ("ending", "ending", 0),
    ("size_item", "size_item", 3),
    ("sizes", "more", 3),
    ("scan_line", "carry", 4),
    ("scan_line", "emit", 4),
    ("update_line", "state", 4),
    ("arguments", "same", 2),
    ("atom", "call", 4),
    ("clauses", "clause_first", 1),
    ("arguments", "comprehension", 2),
    ("atom", "array", 4),
    ("exprs", "more", 3),
    ("postfix", "subscript", 4),
    ("stop", "nothing", 0),
    ("formals", "same", 2),
    ("step", "for_", 5),
    ("shape", "shape", 3),
    ("index_item", "declared", 4),
    ("layer_formals", "same", 2),
    ("param", "param", 5),
    ("draw", "ref", 1),
    ("owned", "random", 5),
    ("ending", "ending", 1),
    ("owned", "state_kept", 5),
    ("atom", "axes", 5),
    ("argument", "keyword", 3),
    ("argument_list", "more", 3),
    ("clauses", "clause_more", 2),
    ("clause", "clause_for", 2),
    ("clause", "clause_if", 2),
    ("stage", "stage_as", 3),
    ("postfix", "subscript", 5),
    ("items", "more", 3),
    ("postfix", "padded", 5),
    ("stop", "", 1),
    ("item", "slice", 3),
    ("binding", "indexed", 6),
    ("formal", "formal", 3),
    ("formal_list", "more", 3),
    ("line", "def_block", 6),
    ("shape", "shape", 4),
    ("extent", "extent", 1),
    ("pattern", "first", 1),
    ("layer_formal_list", "more", 3),
    ("line", "layer", 6),
    ("param", "param", 6),
    ("step", "scan", 6),
    ("ending", "ending", 2),
    ("atom", "axes", 6),
    ("atom", "call_as", 6),
    ("stage", "stage_call", 4),
    ("binding", "indexed", 7),
    ("line", "def_line", 7),
    ("layer_formal", "array_formal", 4),
    ("param", "param", 7),
    ("ending", "ending", 3),
    ("clause", "clause_in", 4),
    ("item", "slice", 5),
    ("pattern", "more", 3),
    ("draw", "call", 4),
    ("stage", "stage_call_as", 6),
    ("line", "derivative", 9),
    ("line", "update", 10),
)

ACTIONS = """\
NAME 7 def 9 derivative 10 dtype 11 for 12 gradient 13 hyper 14 index 15 input 16 layer 17 minimize 19 next 21
  output 22 param 24 random 26 scan 27 size 28 state 29 update 31 use 32
NAME 7 for 12 next 21 return 35 scan 27
NAME 7 for 12 next 21 param 24 random 26 return 41 scan 27 state 29
NAME 7 for 12 next 21 scan 27
NAME 7 carry 47 emit 48 for 12 next 21 scan 27
NAME 7 state 52
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
, -1 = -1 [ 76
$END -2
NAME 77
NAME 78
NAME 79
NAME 80
NAME 81
NAME 82
NAME 85
NAME 88
NAME 91
$END 0
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
, 93 = 94
NAME 95
NAME 96
$END -2
NAME 98
$END -2
NAME 99
NAME 100
NAME 101
NAME 104
$END -2
NAME 105
NAME 106 STRING 107
$END -3
$END 0
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -3
$END -4
$END 0
$END -4
$END -4
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -4
$END -5
$END 0
$END -5
$END -6
NAME 110
NAME 111
$END 0
$END -6
$END -7
NAME 112
$END 0
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
!= -8 $END -8 % -8 ) -8 * -8 ** -8 + -8 , -8 - -8 . -8 / -8 // -8 : -8 < -8 <= -8 == -8 > -8 >= -8 @ -8 [ -8 ] -8
  and -8 for -8 frozen -8 if -8 or -8 recompute -8 until -8 with -8 |> -8
!= -9 $END -9 % -9 ( 116 ) -9 * -9 ** -9 + -9 , -9 - -9 . -9 / -9 // -9 : -9 < -9 <= -9 == -9 > -9 >= -9 @ -9 [ -9 ]
  -9 and -9 for -9 frozen -9 if -9 or -9 recompute -9 until -9 with -9 |> -9
!= -10 $END -10 % -10 ) -10 * -10 ** -10 + -10 , -10 - -10 . -10 / -10 // -10 : -10 < -10 <= -10 == -10 > -10 >= -10
  @ -10 [ -10 ] -10 and -10 for -10 frozen -10 if -10 or -10 recompute -10 until -10 with -10 |> -10
!= -11 $END -11 % -11 ) -11 * -11 ** -11 + -11 , -11 - -11 . -11 / -11 // -11 : -11 < -11 <= -11 == -11 > -11 >= -11
  @ -11 [ -11 ] -11 and -11 for -11 frozen -11 if -11 or -11 recompute -11 until -11 with -11 |> -11
!= -8 $END -8 % -8 ) -8 * -8 ** -8 + -8 , -8 - -8 . -8 / -8 // -8 : -8 < -8 <= -8 == -8 > -8 >= -8 @ -8 [ -8 ] -8
  and -8 for -8 frozen -8 if -8 or -8 recompute -8 until -8 with -8 |> -8
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -12 ) -12 , -12 : -12 ] -12 and 119 for -12 frozen -12 if -12 or -12 recompute -12 until -12 with -12 |> -12
!= -13 $END -13 % -13 ) -13 * -13 ** -13 + -13 , -13 - -13 . -13 / -13 // -13 : -13 < -13 <= -13 == -13 > -13 >= -13
  @ -13 [ -13 ] -13 and -13 for -13 frozen -13 if -13 or -13 recompute -13 until -13 with -13 |> -13
!= 120 $END -14 ) -14 , -14 : -14 < 121 <= 122 == 123 > 124 >= 125 ] -14 and -14 for -14 frozen -14 if -14 or -14
  recompute -14 until -14 with -14 |> -14
$END -15 ) -15 , -15 : -15 ] -15 and -15 for -15 frozen -15 if -15 or -15 recompute -15 until -15 with -15 |> -15
$END 0 |> 127
!= -16 $END -16 % -16 ) -16 * -16 + -16 , -16 - -16 / -16 // -16 : -16 < -16 <= -16 == -16 > -16 >= -16 @ -16 ] -16
  and -16 for -16 frozen -16 if -16 or -16 recompute -16 until -16 with -16 |> -16
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -17 ) -17 , -17 : -17 ] -17 and -17 for -17 frozen -17 if -17 or -17 recompute -17 until -17 with -17 |> -17
$END -18 ) -18 , -18 : -18 ] -18 for -18 frozen -18 if -18 or 129 recompute -18 until -18 with -18 |> -18
!= -19 $END -19 % -19 ) -19 * -19 ** 130 + -19 , -19 - -19 . 131 / -19 // -19 : -19 < -19 <= -19 == -19 > -19 >= -19
  @ -19 [ 132 ] -19 and -19 for -19 frozen -19 if -19 or -19 recompute -19 until -19 with -19 |> -19
!= -20 $END -20 % -20 ) -20 * -20 + -20 , -20 - -20 / -20 // -20 : -20 < -20 <= -20 == -20 > -20 >= -20 @ -20 ] -20
  and -20 for -20 frozen -20 if -20 or -20 recompute -20 until -20 with -20 |> -20
!= 120 $END -21 ) -21 + 133 , -21 - 134 : -21 < 121 <= 122 == 123 > 124 >= 125 ] -21 and -21 for -21 frozen -21 if
  -21 or -21 recompute -21 until -21 with -21 |> -21
!= -22 $END -22 % 136 ) -22 * 137 + -22 , -22 - -22 / 138 // 139 : -22 < -22 <= -22 == -22 > -22 >= -22 @ 140 ] -22
  and -22 for -22 frozen -22 if -22 or -22 recompute -22 until -22 with -22 |> -22
NAME 141
( 143
( 144
$END -23
in 145
wrt 146
= 147
$END -24 , -24
$END -25 , 148
$END -26 , -26 < -26 [ 149
$END -27 , -27
$END -28 , 151
$END -26 , -26 [ 149
$END -29 , -29
$END -30 , 153
( 154
$END -31 with 155 |> 127
NAME 156
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
= 158
$END -1 , -1 = 159
$END -32 , 93
$END -26 = -26 [ 149 frozen -26 with -26 ~ -26
[ 149 ~ -26
in 162
$END -33 , -33 = 163
$END -34 , -34
$END -35 , 164
= -26 [ 149
( 166
$END -36
$END -37
$END -38 |> 127
$END -39 |> 127
= 167
$END -40 = 168
= 169
) 170 , 171 |> 127
!= -41 $END -41 % -41 ) -41 * -41 + -41 , -41 - -41 / -41 // -41 : -41 < -41 <= -41 == -41 > -41 >= -41 @ -41 ] -41
  and -41 for -41 frozen -41 if -41 or -41 recompute -41 until -41 with -41 |> -41
!= -41 $END -41 % -41 ) -41 * -41 + -41 , -41 - -41 / -41 // -41 : -41 < -41 <= -41 == -41 > -41 >= -41 @ -41 ] -41
  and -41 for -41 frozen -41 if -41 or -41 recompute -41 until -41 with -41 |> -41
( 54 ) -42 + 55 - 56 False 57 NAME 172 NUMBER 59 STRING 60 True 61 [ 62 not 69
) -43 , -43 ] -43 |> 127
, 177 ] 178
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
NAME 181
$END -45 ) -45 , -45 : -45 ] -45 and -45 for -45 frozen -45 if -45 or -45 recompute -45 until -45 with -45 |> -45
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
NAME 185
( 54 + 55 - 56 : -46 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
$END -1 ) -1 , -1 ] -1
, 93 ] 198
) -47 NAME 199
NAME 141
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
NAME 141
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
NAME 82
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -48 , -48 < 209
NAME 85
$END -49 , -49
NAME 88
) -50 NAME 212
NAME 181
$END -51 ) -51 , -51 = -51 ] -51 for -51 if -51
$END -52 |> 127
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -53 = 220 frozen 221 with 222 ~ 223
~ 224
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
NAME 101
= 228
) -47 NAME 199
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
!= -54 $END -54 % -54 ) -54 * -54 ** -54 + -54 , -54 - -54 . -54 / -54 // -54 : -54 < -54 <= -54 == -54 > -54 >= -54
  @ -54 [ -54 ] -54 and -54 for -54 frozen -54 if -54 or -54 recompute -54 until -54 with -54 |> -54
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
!= -9 % -9 ( 116 ) -9 * -9 ** -9 + -9 , -9 - -9 . -9 / -9 // -9 < -9 <= -9 = 234 == -9 > -9 >= -9 @ -9 [ -9 and -9
  for -9 if -9 or -9 |> -9
) -55 , -55
) -56 , 235
) 236
) -57 , -57 for 239 if 240 |> 127
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 ] 241 not 69
!= -58 $END -58 % -58 ) -58 * -58 ** -58 + -58 , -58 - -58 . -58 / -58 // -58 : -58 < -58 <= -58 == -58 > -58 >= -58
  @ -58 [ -58 ] -58 and -58 for -58 frozen -58 if -58 or -58 recompute -58 until -58 with -58 |> -58
$END -59 ) -59 , -59 : -59 ] -59 and -59 for -59 frozen -59 if -59 or -59 recompute -59 until -59 with -59 |> -59
!= -60 $END -60 ) -60 + 133 , -60 - 134 : -60 < -60 <= -60 == -60 > -60 >= -60 ] -60 and -60 for -60 frozen -60 if
  -60 or -60 recompute -60 until -60 with -60 |> -60
$END -61 ( 243 ) -61 , -61 : -61 ] -61 as 244 for -61 frozen -61 if -61 recompute -61 until -61 with -61 |> -61
$END -62 ) -62 , -62 : -62 ] -62 for -62 frozen -62 if -62 recompute -62 until -62 with -62 |> -62
$END -63 ) -63 , -63 : -63 ] -63 and 119 for -63 frozen -63 if -63 or -63 recompute -63 until -63 with -63 |> -63
!= -64 $END -64 % -64 ) -64 * -64 + -64 , -64 - -64 / -64 // -64 : -64 < -64 <= -64 == -64 > -64 >= -64 @ -64 ] -64
  and -64 for -64 frozen -64 if -64 or -64 recompute -64 until -64 with -64 |> -64
!= -65 $END -65 % -65 ) -65 * -65 ** -65 + -65 , -65 - -65 . -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65
  @ -65 [ -65 ] -65 and -65 for -65 frozen -65 if -65 or -65 recompute -65 until -65 with -65 |> -65
, -66 : -67 ] -66 |> 127
, -68 ] -68
, 245 ] 246
: 247
!= -69 $END -69 % 136 ) -69 * 137 + -69 , -69 - -69 / 138 // 139 : -69 < -69 <= -69 == -69 > -69 >= -69 @ 140 ] -69
  and -69 for -69 frozen -69 if -69 or -69 recompute -69 until -69 with -69 |> -69
!= -69 $END -69 % 136 ) -69 * 137 + -69 , -69 - -69 / 138 // 139 : -69 < -69 <= -69 == -69 > -69 >= -69 @ 140 ] -69
  and -69 for -69 frozen -69 if -69 or -69 recompute -69 until -69 with -69 |> -69
!= -70 $END -70 ) -70 + 133 , -70 - 134 : -70 < -70 <= -70 == -70 > -70 >= -70 ] -70 and -70 for -70 frozen -70 if
  -70 or -70 recompute -70 until -70 with -70 |> -70
!= -71 $END -71 % -71 ) -71 * -71 + -71 , -71 - -71 / -71 // -71 : -71 < -71 <= -71 == -71 > -71 >= -71 @ -71 ] -71
  and -71 for -71 frozen -71 if -71 or -71 recompute -71 until -71 with -71 |> -71
!= -71 $END -71 % -71 ) -71 * -71 + -71 , -71 - -71 / -71 // -71 : -71 < -71 <= -71 == -71 > -71 >= -71 @ -71 ] -71
  and -71 for -71 frozen -71 if -71 or -71 recompute -71 until -71 with -71 |> -71
!= -71 $END -71 % -71 ) -71 * -71 + -71 , -71 - -71 / -71 // -71 : -71 < -71 <= -71 == -71 > -71 >= -71 @ -71 ] -71
  and -71 for -71 frozen -71 if -71 or -71 recompute -71 until -71 with -71 |> -71
!= -71 $END -71 % -71 ) -71 * -71 + -71 , -71 - -71 / -71 // -71 : -71 < -71 <= -71 == -71 > -71 >= -71 @ -71 ] -71
  and -71 for -71 frozen -71 if -71 or -71 recompute -71 until -71 with -71 |> -71
!= -71 $END -71 % -71 ) -71 * -71 + -71 , -71 - -71 / -71 // -71 : -71 < -71 <= -71 == -71 > -71 >= -71 @ -71 ] -71
  and -71 for -71 frozen -71 if -71 or -71 recompute -71 until -71 with -71 |> -71
= 248
) -72 , -72 = 249
) -73 , -73
) -74 , 250
) 251
) 252 , 93
: 253 |> 127
$END -75 , 93
$END -76 , -76 |> 127
$END -77 , -77
, 254 ] 255
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62
$END -78 , -78
$END -79 , -79
) -72 , -72 = 249 [ 257
) -80 , -80
) -81 , -81
) -82 , 258
) 259
$END -83
$END -84 |> 127
$END -85 |> 127
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -86
NAME 181
NAME 262
NAME 262
: -87 recompute 266 until 267 |> 127
$END -88 , -88 |> 127
$END -89 , -89
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
) 269
$END -90 |> 127
$END -91 |> 127
$END -92 |> 127
) 270 , 271
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 ) -93 + 55 - 56 False 57 NAME 172 NUMBER 59 STRING 60 True 61 [ 62 not 69
!= -94 $END -94 % -94 ) -94 * -94 ** -94 + -94 , -94 - -94 . -94 / -94 // -94 : -94 < -94 <= -94 == -94 > -94 >= -94
  @ -94 [ -94 ] -94 and -94 as 275 for -94 frozen -94 if -94 or -94 recompute -94 until -94 with -94 |> -94
$END -95 ) -95 for -95 if -95
) -96 for 239 if 240
NAME 277
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
!= -97 $END -97 % -97 ) -97 * -97 ** -97 + -97 , -97 - -97 . -97 / -97 // -97 : -97 < -97 <= -97 == -97 > -97 >= -97
  @ -97 [ -97 ] -97 and -97 for -97 frozen -97 if -97 or -97 recompute -97 until -97 with -97 |> -97
) -98 , -98 ] -98 |> 127
( 54 ) -42 + 55 - 56 False 57 NAME 172 NUMBER 59 STRING 60 True 61 [ 62 not 69
NAME 281
( 54 + 55 - 56 : -46 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 ] 282 not 69
!= -99 $END -99 % -99 ) -99 * -99 ** -99 + -99 , -99 - -99 . -99 / -99 // -99 : -99 < -99 <= -99 == -99 > -99 >= -99
  @ -99 [ -99 ] -99 and -99 for -99 frozen -99 if -99 or -99 pad 284 recompute -99 until -99 with -99 |> -99
( 54 + 55 , -100 - 56 : -100 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 ] -100 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
) -101 NAME 199
: 290 = 291
wrt 292
$END -102
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 ] 293 not 69
$END -103 , -103 < -103 = -103 frozen -103 with -103 ~ -103
$END -104 + 133 , -104 - 134
... 294 NAME 295 NUMBER 296
) -105 NAME 212
: 300
$END -106 frozen 301 with 302 |> 127
$END -106
$END -107 ( 303 frozen -107 with -107
$END -106 frozen 304 with 305
$END -108
: 306
: -109
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -110 |> 127
of 308
!= -111 $END -111 % -111 ) -111 * -111 ** -111 + -111 , -111 - -111 . -111 / -111 // -111 : -111 < -111 <= -111 ==
  -111 > -111 >= -111 @ -111 [ -111 ] -111 and -111 for -111 frozen -111 if -111 or -111 recompute -111 until -111
  with -111 |> -111
( 54 ) 309 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
) -112 , -112 |> 127
) -113 , -113
) -57 , -57 |> 127
NAME 310
$END -114 ) -114 for -114 if -114
$END -1 ) -1 , -1 for -1 if -1 in 311
$END -115 ) -115 , 93 for -115 if -115
$END -116 ) -116 for -116 if -116 or 129
) 312
$END -117 ) -117 , -117 : -117 ] -117 for -117 frozen -117 if -117 recompute -117 until -117 with -117 |> -117
!= -118 $END -118 % -118 ) -118 * -118 ** -118 + -118 , -118 - -118 . -118 / -118 // -118 : -118 < -118 <= -118 ==
  -118 > -118 >= -118 @ -118 [ -118 ] -118 and -118 for -118 frozen -118 if -118 or -118 recompute -118 until -118
  with -118 |> -118
, -119 ] -119
!= -120 $END -120 % -120 ) -120 * -120 ** -120 + -120 , -120 - -120 . -120 / -120 // -120 : -120 < -120 <= -120 ==
  -120 > -120 >= -120 @ -120 [ -120 ] -120 and -120 for -120 frozen -120 if -120 or -120 recompute -120 until -120
  with -120 |> -120
, -121 : -121 ] -121 |> 127
, -122 : 313 ] -122
$END -123 for 239 if 240 |> 127
) -124 , -124 |> 127
) -125 , -125
$END -126
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
NAME 316
$END -127 , -127 < -127 = -127 frozen -127 with -127 ~ -127
, -128 ] -128
, -128 ] -128
, -128 ] -128
, -129 ] -129
, 317 ] 318
) -130 , -130
$END -131
$END -132
NAME 181
( 54 ) -42 + 55 - 56 False 57 NAME 172 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -132
NAME 181
$END -133
: -134 recompute 322 |> 127
NAME 323
!= -135 $END -135 % -135 ) -135 * -135 ** -135 + -135 , -135 - -135 . -135 / -135 // -135 : -135 < -135 <= -135 ==
  -135 > -135 >= -135 @ -135 [ -135 ] -135 and -135 for -135 frozen -135 if -135 or -135 recompute -135 until -135
  with -135 |> -135
!= -136 $END -136 % -136 ) -136 * -136 ** -136 + -136 , -136 - -136 . -136 / -136 // -136 : -136 < -136 <= -136 ==
  -136 > -136 >= -136 @ -136 [ -136 ] -136 and -136 for -136 frozen -136 if -136 or -136 recompute -136 until -136
  with -136 |> -136
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
$END -137 ) -137 , -137 : -137 ] -137 as 325 for -137 frozen -137 if -137 recompute -137 until -137 with -137 |>
  -137
( 54 + 55 , -100 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 ] -100 not 69
$END -138 for 239 if 240
$END -139 |> 127
= 327
... 294 NAME 295 NUMBER 296
) -140 , -140
$END -141
) 329
$END -141
: -142
with 330
$END -143 ) -143 for -143 if -143 |> 127
NAME 331
, -144 ] -144
( 54 + 55 - 56 False 57 NAME 58 NUMBER 59 STRING 60 True 61 [ 62 not 69
, -145 ] -145
$END -146 frozen -146 with -146
NAME 333
$END -147 ) -147 , -147 : -147 ] -147 for -147 frozen -147 if -147 recompute -147 until -147 with -147 |> -147
$END -148 |> 127
: 334
$END -149"""

GOTOS = """\
binding 8 line 18 names 20 owned 23 param 25 step 30
binding 33 def_line 34 names 20 step 36
binding 37 layer_line 38 names 20 owned 39 param 40 step 42
binding 43 for_line 44 names 20 step 45
binding 46 names 20 scan_line 49 step 50
binding 51 names 20 update_line 53
and_test 63 atom 64 chain 65 comparison 66 expr 67 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
-
-
hyper_item 83 hypers 84
index_item 86 indices 87
declared 89 declareds 90
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 92 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
names 97
-
-
-
-
-
size_item 102 sizes 103
-
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 108 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 109 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
-
-
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 113 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
atom 64 factor 114 postfix 72 power 73
atom 64 factor 115 postfix 72 power 73
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 117 exprs 118 factor 68 not_test 70 or_test 71 postfix 72 power 73
  sum 74 term 75
-
-
comparator 126
-
-
-
atom 64 chain 65 comparison 66 factor 68 not_test 128 postfix 72 power 73 sum 74 term 75
-
-
-
-
comparator 135
-
names 142
-
-
-
-
-
-
-
-
shape 150
-
-
shape 152
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 157 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
shape 160
shape 161
-
-
-
-
shape 165
-
-
-
-
-
-
-
-
-
-
-
and_test 63 argument 173 argument_list 174 arguments 175 atom 64 chain 65 comparison 66 expr 176 factor 68 not_test
  70 or_test 71 postfix 72 power 73 sum 74 term 75
-
-
atom 64 chain 65 comparison 66 factor 68 not_test 179 postfix 72 power 73 sum 74 term 75
-
-
-
-
-
-
atom 64 factor 68 postfix 72 power 73 sum 180 term 75
stage 182
-
and_test 183 atom 64 chain 65 comparison 66 factor 68 not_test 70 postfix 72 power 73 sum 74 term 75
atom 64 factor 184 postfix 72 power 73
-
and_test 63 atom 64 chain 65 comparison 66 expr 186 factor 68 item 187 items 188 not_test 70 or_test 71 postfix 72
  power 73 start 189 sum 74 term 75
atom 64 factor 68 postfix 72 power 73 term 190
atom 64 factor 68 postfix 72 power 73 term 191
atom 64 factor 68 postfix 72 power 73 sum 192 term 75
atom 64 factor 193 postfix 72 power 73
atom 64 factor 194 postfix 72 power 73
atom 64 factor 195 postfix 72 power 73
atom 64 factor 196 postfix 72 power 73
atom 64 factor 197 postfix 72 power 73
-
-
formal 200 formal_list 201 formals 202
names 203
and_test 63 atom 64 chain 65 comparison 66 expr 204 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
names 205
and_test 63 atom 64 chain 65 comparison 66 expr 206 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
hyper_item 207
and_test 63 atom 64 chain 65 comparison 66 expr 117 exprs 208 factor 68 not_test 70 or_test 71 postfix 72 power 73
  sum 74 term 75
-
index_item 210
-
declared 211
formal 213 layer_formal 214 layer_formal_list 215 layer_formals 216
stage 217
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 218 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
and_test 63 atom 64 chain 65 comparison 66 expr 219 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 225 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
and_test 63 atom 64 chain 65 comparison 66 expr 226 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
size_item 227
-
formal 200 formal_list 201 formals 229
and_test 63 atom 64 chain 65 comparison 66 expr 230 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
and_test 63 atom 64 chain 65 comparison 66 expr 231 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
and_test 63 atom 64 chain 65 comparison 66 expr 232 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
and_test 63 atom 64 chain 65 comparison 66 expr 117 exprs 233 factor 68 not_test 70 or_test 71 postfix 72 power 73
  sum 74 term 75
-
-
-
-
clause 237 clauses 238
and_test 63 atom 64 chain 65 comparison 66 expr 242 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
atom 64 factor 68 postfix 72 power 73 sum 256 term 75
-
-
-
-
-
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 260 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
stage 261
draw 263
draw 264
ending 265
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 268 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 272 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
and_test 63 argument 273 atom 64 chain 65 comparison 66 expr 274 factor 68 not_test 70 or_test 71 postfix 72 power
  73 sum 74 term 75
-
-
clause 276
names 278
and_test 63 atom 64 chain 65 comparison 66 factor 68 not_test 70 or_test 279 postfix 72 power 73 sum 74 term 75
-
-
and_test 63 argument 173 argument_list 174 arguments 280 atom 64 chain 65 comparison 66 expr 176 factor 68 not_test
  70 or_test 71 postfix 72 power 73 sum 74 term 75
-
and_test 63 atom 64 chain 65 comparison 66 expr 186 factor 68 item 283 not_test 70 or_test 71 postfix 72 power 73
  start 189 sum 74 term 75
-
and_test 63 atom 64 chain 65 comparison 66 expr 285 factor 68 not_test 70 or_test 71 postfix 72 power 73 stop 286
  sum 74 term 75
and_test 63 atom 64 chain 65 comparison 66 expr 287 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
and_test 63 atom 64 chain 65 comparison 66 expr 288 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
formal 289
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 242 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
extent 297 pattern 298
formal 213 layer_formal 299
-
-
-
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 307 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 242 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
-
-
-
-
-
-
-
-
-
-
clause 237 clauses 314
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 315 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
-
-
-
-
-
stage 319
and_test 63 argument 173 argument_list 174 arguments 320 atom 64 chain 65 comparison 66 expr 176 factor 68 not_test
  70 or_test 71 postfix 72 power 73 sum 74 term 75
-
stage 321
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 324 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
and_test 63 atom 64 chain 65 comparison 66 expr 285 factor 68 not_test 70 or_test 71 postfix 72 power 73 stop 326
  sum 74 term 75
clause 276
-
-
extent 328
-
-
-
-
-
-
-
-
-
and_test 63 atom 64 chain 65 comparison 66 expr 332 factor 68 not_test 70 or_test 71 postfix 72 power 73 sum 74 term
  75
-
-
-
-
-
-
-"""
