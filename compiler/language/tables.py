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
    ("item", "dots", 1),
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
    ("scan_line", "random", 5),
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
NAME 7 carry 47 emit 48 for 12 next 21 random 49 scan 27
NAME 7 state 53
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
, -1 = -1 [ 77
$END -2
NAME 78
NAME 79
NAME 80
NAME 81
NAME 82
NAME 83
NAME 86
NAME 89
NAME 92
$END 0
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
, 94 = 95
NAME 96
NAME 97
$END -2
NAME 99
$END -2
NAME 100
NAME 101
NAME 102
NAME 105
$END -2
NAME 106
NAME 107 STRING 108
$END -3
$END 0
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -3
$END -4
$END 0
$END -4
$END -4
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -4
$END -5
$END 0
$END -5
$END -6
NAME 111
NAME 112
NAME 113
$END 0
$END -6
$END -7
NAME 114
$END 0
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
!= -8 $END -8 % -8 ) -8 * -8 ** -8 + -8 , -8 - -8 . -8 / -8 // -8 : -8 < -8 <= -8 == -8 > -8 >= -8 @ -8 [ -8 ] -8
  and -8 for -8 frozen -8 if -8 or -8 recompute -8 until -8 with -8 |> -8
!= -9 $END -9 % -9 ( 118 ) -9 * -9 ** -9 + -9 , -9 - -9 . -9 / -9 // -9 : -9 < -9 <= -9 == -9 > -9 >= -9 @ -9 [ -9 ]
  -9 and -9 for -9 frozen -9 if -9 or -9 recompute -9 until -9 with -9 |> -9
!= -10 $END -10 % -10 ) -10 * -10 ** -10 + -10 , -10 - -10 . -10 / -10 // -10 : -10 < -10 <= -10 == -10 > -10 >= -10
  @ -10 [ -10 ] -10 and -10 for -10 frozen -10 if -10 or -10 recompute -10 until -10 with -10 |> -10
!= -11 $END -11 % -11 ) -11 * -11 ** -11 + -11 , -11 - -11 . -11 / -11 // -11 : -11 < -11 <= -11 == -11 > -11 >= -11
  @ -11 [ -11 ] -11 and -11 for -11 frozen -11 if -11 or -11 recompute -11 until -11 with -11 |> -11
!= -8 $END -8 % -8 ) -8 * -8 ** -8 + -8 , -8 - -8 . -8 / -8 // -8 : -8 < -8 <= -8 == -8 > -8 >= -8 @ -8 [ -8 ] -8
  and -8 for -8 frozen -8 if -8 or -8 recompute -8 until -8 with -8 |> -8
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -12 ) -12 , -12 : -12 ] -12 and 121 for -12 frozen -12 if -12 or -12 recompute -12 until -12 with -12 |> -12
!= -13 $END -13 % -13 ) -13 * -13 ** -13 + -13 , -13 - -13 . -13 / -13 // -13 : -13 < -13 <= -13 == -13 > -13 >= -13
  @ -13 [ -13 ] -13 and -13 for -13 frozen -13 if -13 or -13 recompute -13 until -13 with -13 |> -13
!= 122 $END -14 ) -14 , -14 : -14 < 123 <= 124 == 125 > 126 >= 127 ] -14 and -14 for -14 frozen -14 if -14 or -14
  recompute -14 until -14 with -14 |> -14
$END -15 ) -15 , -15 : -15 ] -15 and -15 for -15 frozen -15 if -15 or -15 recompute -15 until -15 with -15 |> -15
$END 0 |> 129
!= -16 $END -16 % -16 ) -16 * -16 + -16 , -16 - -16 / -16 // -16 : -16 < -16 <= -16 == -16 > -16 >= -16 @ -16 ] -16
  and -16 for -16 frozen -16 if -16 or -16 recompute -16 until -16 with -16 |> -16
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -17 ) -17 , -17 : -17 ] -17 and -17 for -17 frozen -17 if -17 or -17 recompute -17 until -17 with -17 |> -17
$END -18 ) -18 , -18 : -18 ] -18 for -18 frozen -18 if -18 or 131 recompute -18 until -18 with -18 |> -18
!= -19 $END -19 % -19 ) -19 * -19 ** 132 + -19 , -19 - -19 . 133 / -19 // -19 : -19 < -19 <= -19 == -19 > -19 >= -19
  @ -19 [ 134 ] -19 and -19 for -19 frozen -19 if -19 or -19 recompute -19 until -19 with -19 |> -19
!= -20 $END -20 % -20 ) -20 * -20 + -20 , -20 - -20 / -20 // -20 : -20 < -20 <= -20 == -20 > -20 >= -20 @ -20 ] -20
  and -20 for -20 frozen -20 if -20 or -20 recompute -20 until -20 with -20 |> -20
!= 122 $END -21 ) -21 + 135 , -21 - 136 : -21 < 123 <= 124 == 125 > 126 >= 127 ] -21 and -21 for -21 frozen -21 if
  -21 or -21 recompute -21 until -21 with -21 |> -21
!= -22 $END -22 % 138 ) -22 * 139 + -22 , -22 - -22 / 140 // 141 : -22 < -22 <= -22 == -22 > -22 >= -22 @ 142 ] -22
  and -22 for -22 frozen -22 if -22 or -22 recompute -22 until -22 with -22 |> -22
NAME 143
( 145
( 146
$END -23
in 147
wrt 148
= 149
$END -24 , -24
$END -25 , 150
$END -26 , -26 < -26 [ 151
$END -27 , -27
$END -28 , 153
$END -26 , -26 [ 151
$END -29 , -29
$END -30 , 155
( 156
$END -31 with 157 |> 129
NAME 158
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
= 160
$END -1 , -1 = 161
$END -32 , 94
$END -26 = -26 [ 151 frozen -26 with -26 ~ -26
[ 151 ~ -26
in 164
$END -33 , -33 = 165
$END -34 , -34
$END -35 , 166
= -26 [ 151
( 168
$END -36
$END -37
$END -38 |> 129
$END -39 |> 129
= 169
$END -40 = 170
[ 151 ~ -26
= 172
) 173 , 174 |> 129
!= -41 $END -41 % -41 ) -41 * -41 + -41 , -41 - -41 / -41 // -41 : -41 < -41 <= -41 == -41 > -41 >= -41 @ -41 ] -41
  and -41 for -41 frozen -41 if -41 or -41 recompute -41 until -41 with -41 |> -41
!= -41 $END -41 % -41 ) -41 * -41 + -41 , -41 - -41 / -41 // -41 : -41 < -41 <= -41 == -41 > -41 >= -41 @ -41 ] -41
  and -41 for -41 frozen -41 if -41 or -41 recompute -41 until -41 with -41 |> -41
( 55 ) -42 + 56 - 57 False 58 NAME 175 NUMBER 60 STRING 61 True 62 [ 63 not 70
) -43 , -43 ] -43 |> 129
, 180 ] 181
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
NAME 184
$END -45 ) -45 , -45 : -45 ] -45 and -45 for -45 frozen -45 if -45 or -45 recompute -45 until -45 with -45 |> -45
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
NAME 188
( 55 + 56 - 57 ... 189 : -46 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
$END -1 ) -1 , -1 ] -1
, 94 ] 202
) -47 NAME 203
NAME 143
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
NAME 143
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
NAME 83
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -48 , -48 < 213
NAME 86
$END -49 , -49
NAME 89
) -50 NAME 216
NAME 184
$END -51 ) -51 , -51 = -51 ] -51 for -51 if -51
$END -52 |> 129
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -53 = 224 frozen 225 with 226 ~ 227
~ 228
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
NAME 102
= 232
) -47 NAME 203
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
~ 236
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
!= -54 $END -54 % -54 ) -54 * -54 ** -54 + -54 , -54 - -54 . -54 / -54 // -54 : -54 < -54 <= -54 == -54 > -54 >= -54
  @ -54 [ -54 ] -54 and -54 for -54 frozen -54 if -54 or -54 recompute -54 until -54 with -54 |> -54
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
!= -9 % -9 ( 118 ) -9 * -9 ** -9 + -9 , -9 - -9 . -9 / -9 // -9 < -9 <= -9 = 239 == -9 > -9 >= -9 @ -9 [ -9 and -9
  for -9 if -9 or -9 |> -9
) -55 , -55
) -56 , 240
) 241
) -57 , -57 for 244 if 245 |> 129
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 ] 246 not 70
!= -58 $END -58 % -58 ) -58 * -58 ** -58 + -58 , -58 - -58 . -58 / -58 // -58 : -58 < -58 <= -58 == -58 > -58 >= -58
  @ -58 [ -58 ] -58 and -58 for -58 frozen -58 if -58 or -58 recompute -58 until -58 with -58 |> -58
$END -59 ) -59 , -59 : -59 ] -59 and -59 for -59 frozen -59 if -59 or -59 recompute -59 until -59 with -59 |> -59
!= -60 $END -60 ) -60 + 135 , -60 - 136 : -60 < -60 <= -60 == -60 > -60 >= -60 ] -60 and -60 for -60 frozen -60 if
  -60 or -60 recompute -60 until -60 with -60 |> -60
$END -61 ( 248 ) -61 , -61 : -61 ] -61 as 249 for -61 frozen -61 if -61 recompute -61 until -61 with -61 |> -61
$END -62 ) -62 , -62 : -62 ] -62 for -62 frozen -62 if -62 recompute -62 until -62 with -62 |> -62
$END -63 ) -63 , -63 : -63 ] -63 and 121 for -63 frozen -63 if -63 or -63 recompute -63 until -63 with -63 |> -63
!= -64 $END -64 % -64 ) -64 * -64 + -64 , -64 - -64 / -64 // -64 : -64 < -64 <= -64 == -64 > -64 >= -64 @ -64 ] -64
  and -64 for -64 frozen -64 if -64 or -64 recompute -64 until -64 with -64 |> -64
!= -65 $END -65 % -65 ) -65 * -65 ** -65 + -65 , -65 - -65 . -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65
  @ -65 [ -65 ] -65 and -65 for -65 frozen -65 if -65 or -65 recompute -65 until -65 with -65 |> -65
, -66 ] -66
, -67 : -68 ] -67 |> 129
, -69 ] -69
, 250 ] 251
: 252
!= -70 $END -70 % 138 ) -70 * 139 + -70 , -70 - -70 / 140 // 141 : -70 < -70 <= -70 == -70 > -70 >= -70 @ 142 ] -70
  and -70 for -70 frozen -70 if -70 or -70 recompute -70 until -70 with -70 |> -70
!= -70 $END -70 % 138 ) -70 * 139 + -70 , -70 - -70 / 140 // 141 : -70 < -70 <= -70 == -70 > -70 >= -70 @ 142 ] -70
  and -70 for -70 frozen -70 if -70 or -70 recompute -70 until -70 with -70 |> -70
!= -71 $END -71 ) -71 + 135 , -71 - 136 : -71 < -71 <= -71 == -71 > -71 >= -71 ] -71 and -71 for -71 frozen -71 if
  -71 or -71 recompute -71 until -71 with -71 |> -71
!= -72 $END -72 % -72 ) -72 * -72 + -72 , -72 - -72 / -72 // -72 : -72 < -72 <= -72 == -72 > -72 >= -72 @ -72 ] -72
  and -72 for -72 frozen -72 if -72 or -72 recompute -72 until -72 with -72 |> -72
!= -72 $END -72 % -72 ) -72 * -72 + -72 , -72 - -72 / -72 // -72 : -72 < -72 <= -72 == -72 > -72 >= -72 @ -72 ] -72
  and -72 for -72 frozen -72 if -72 or -72 recompute -72 until -72 with -72 |> -72
!= -72 $END -72 % -72 ) -72 * -72 + -72 , -72 - -72 / -72 // -72 : -72 < -72 <= -72 == -72 > -72 >= -72 @ -72 ] -72
  and -72 for -72 frozen -72 if -72 or -72 recompute -72 until -72 with -72 |> -72
!= -72 $END -72 % -72 ) -72 * -72 + -72 , -72 - -72 / -72 // -72 : -72 < -72 <= -72 == -72 > -72 >= -72 @ -72 ] -72
  and -72 for -72 frozen -72 if -72 or -72 recompute -72 until -72 with -72 |> -72
!= -72 $END -72 % -72 ) -72 * -72 + -72 , -72 - -72 / -72 // -72 : -72 < -72 <= -72 == -72 > -72 >= -72 @ -72 ] -72
  and -72 for -72 frozen -72 if -72 or -72 recompute -72 until -72 with -72 |> -72
= 253
) -73 , -73 = 254
) -74 , -74
) -75 , 255
) 256
) 257 , 94
: 258 |> 129
$END -76 , 94
$END -77 , -77 |> 129
$END -78 , -78
, 259 ] 260
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63
$END -79 , -79
$END -80 , -80
) -73 , -73 = 254 [ 262
) -81 , -81
) -82 , -82
) -83 , 263
) 264
$END -84
$END -85 |> 129
$END -86 |> 129
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -87
NAME 184
NAME 267
NAME 267
: -88 recompute 271 until 272 |> 129
$END -89 , -89 |> 129
$END -90 , -90
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
) 274
$END -91 |> 129
$END -92 |> 129
NAME 267
$END -93 |> 129
) 276 , 277
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 ) -94 + 56 - 57 False 58 NAME 175 NUMBER 60 STRING 61 True 62 [ 63 not 70
!= -95 $END -95 % -95 ) -95 * -95 ** -95 + -95 , -95 - -95 . -95 / -95 // -95 : -95 < -95 <= -95 == -95 > -95 >= -95
  @ -95 [ -95 ] -95 and -95 as 281 for -95 frozen -95 if -95 or -95 recompute -95 until -95 with -95 |> -95
$END -96 ) -96 for -96 if -96
) -97 for 244 if 245
NAME 283
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
!= -98 $END -98 % -98 ) -98 * -98 ** -98 + -98 , -98 - -98 . -98 / -98 // -98 : -98 < -98 <= -98 == -98 > -98 >= -98
  @ -98 [ -98 ] -98 and -98 for -98 frozen -98 if -98 or -98 recompute -98 until -98 with -98 |> -98
) -99 , -99 ] -99 |> 129
( 55 ) -42 + 56 - 57 False 58 NAME 175 NUMBER 60 STRING 61 True 62 [ 63 not 70
NAME 287
( 55 + 56 - 57 ... 189 : -46 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 ] 288 not 70
!= -100 $END -100 % -100 ) -100 * -100 ** -100 + -100 , -100 - -100 . -100 / -100 // -100 : -100 < -100 <= -100 ==
  -100 > -100 >= -100 @ -100 [ -100 ] -100 and -100 for -100 frozen -100 if -100 or -100 pad 290 recompute -100
  until -100 with -100 |> -100
( 55 + 56 , -101 - 57 : -101 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 ] -101 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
) -102 NAME 203
: 296 = 297
wrt 298
$END -103
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 ] 299 not 70
$END -104 , -104 < -104 = -104 frozen -104 with -104 ~ -104
$END -105 + 135 , -105 - 136
... 300 NAME 301 NUMBER 302
) -106 NAME 216
: 306
$END -107 frozen 307 with 308 |> 129
$END -107
$END -108 ( 309 frozen -108 with -108
$END -107 frozen 310 with 311
$END -109
: 312
: -110
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -111 |> 129
of 314
$END -112
!= -113 $END -113 % -113 ) -113 * -113 ** -113 + -113 , -113 - -113 . -113 / -113 // -113 : -113 < -113 <= -113 ==
  -113 > -113 >= -113 @ -113 [ -113 ] -113 and -113 for -113 frozen -113 if -113 or -113 recompute -113 until -113
  with -113 |> -113
( 55 ) 315 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
) -114 , -114 |> 129
) -115 , -115
) -57 , -57 |> 129
NAME 316
$END -116 ) -116 for -116 if -116
$END -1 ) -1 , -1 for -1 if -1 in 317
$END -117 ) -117 , 94 for -117 if -117
$END -118 ) -118 for -118 if -118 or 131
) 318
$END -119 ) -119 , -119 : -119 ] -119 for -119 frozen -119 if -119 recompute -119 until -119 with -119 |> -119
!= -120 $END -120 % -120 ) -120 * -120 ** -120 + -120 , -120 - -120 . -120 / -120 // -120 : -120 < -120 <= -120 ==
  -120 > -120 >= -120 @ -120 [ -120 ] -120 and -120 for -120 frozen -120 if -120 or -120 recompute -120 until -120
  with -120 |> -120
, -121 ] -121
!= -122 $END -122 % -122 ) -122 * -122 ** -122 + -122 , -122 - -122 . -122 / -122 // -122 : -122 < -122 <= -122 ==
  -122 > -122 >= -122 @ -122 [ -122 ] -122 and -122 for -122 frozen -122 if -122 or -122 recompute -122 until -122
  with -122 |> -122
, -123 : -123 ] -123 |> 129
, -124 : 319 ] -124
$END -125 for 244 if 245 |> 129
) -126 , -126 |> 129
) -127 , -127
$END -128
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
NAME 322
$END -129 , -129 < -129 = -129 frozen -129 with -129 ~ -129
, -130 ] -130
, -130 ] -130
, -130 ] -130
, -131 ] -131
, 323 ] 324
) -132 , -132
$END -133
$END -134
NAME 184
( 55 ) -42 + 56 - 57 False 58 NAME 175 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -134
NAME 184
$END -135
: -136 recompute 328 |> 129
NAME 329
!= -137 $END -137 % -137 ) -137 * -137 ** -137 + -137 , -137 - -137 . -137 / -137 // -137 : -137 < -137 <= -137 ==
  -137 > -137 >= -137 @ -137 [ -137 ] -137 and -137 for -137 frozen -137 if -137 or -137 recompute -137 until -137
  with -137 |> -137
!= -138 $END -138 % -138 ) -138 * -138 ** -138 + -138 , -138 - -138 . -138 / -138 // -138 : -138 < -138 <= -138 ==
  -138 > -138 >= -138 @ -138 [ -138 ] -138 and -138 for -138 frozen -138 if -138 or -138 recompute -138 until -138
  with -138 |> -138
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
$END -139 ) -139 , -139 : -139 ] -139 as 331 for -139 frozen -139 if -139 recompute -139 until -139 with -139 |>
  -139
( 55 + 56 , -101 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 ] -101 not 70
$END -140 for 244 if 245
$END -141 |> 129
= 333
... 300 NAME 301 NUMBER 302
) -142 , -142
$END -143
) 335
$END -143
: -144
with 336
$END -145 ) -145 for -145 if -145 |> 129
NAME 337
, -146 ] -146
( 55 + 56 - 57 False 58 NAME 59 NUMBER 60 STRING 61 True 62 [ 63 not 70
, -147 ] -147
$END -148 frozen -148 with -148
NAME 339
$END -149 ) -149 , -149 : -149 ] -149 for -149 frozen -149 if -149 recompute -149 until -149 with -149 |> -149
$END -150 |> 129
: 340
$END -151"""

GOTOS = """\
binding 8 line 18 names 20 owned 23 param 25 step 30
binding 33 def_line 34 names 20 step 36
binding 37 layer_line 38 names 20 owned 39 param 40 step 42
binding 43 for_line 44 names 20 step 45
binding 46 names 20 scan_line 50 step 51
binding 52 names 20 update_line 54
and_test 64 atom 65 chain 66 comparison 67 expr 68 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
-
-
-
-
-
hyper_item 84 hypers 85
index_item 87 indices 88
declared 90 declareds 91
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 93 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
names 98
-
-
-
-
-
size_item 103 sizes 104
-
-
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 109 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 110 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
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
and_test 64 atom 65 chain 66 comparison 67 expr 115 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
atom 65 factor 116 postfix 73 power 74
atom 65 factor 117 postfix 73 power 74
-
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 119 exprs 120 factor 69 not_test 71 or_test 72 postfix 73 power 74
  sum 75 term 76
-
-
comparator 128
-
-
-
atom 65 chain 66 comparison 67 factor 69 not_test 130 postfix 73 power 74 sum 75 term 76
-
-
-
-
comparator 137
-
names 144
-
-
-
-
-
-
-
-
shape 152
-
-
shape 154
-
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 159 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
-
shape 162
shape 163
-
-
-
-
shape 167
-
-
-
-
-
-
-
shape 171
-
-
-
-
and_test 64 argument 176 argument_list 177 arguments 178 atom 65 chain 66 comparison 67 expr 179 factor 69 not_test
  71 or_test 72 postfix 73 power 74 sum 75 term 76
-
-
atom 65 chain 66 comparison 67 factor 69 not_test 182 postfix 73 power 74 sum 75 term 76
-
-
-
-
-
-
atom 65 factor 69 postfix 73 power 74 sum 183 term 76
stage 185
-
and_test 186 atom 65 chain 66 comparison 67 factor 69 not_test 71 postfix 73 power 74 sum 75 term 76
atom 65 factor 187 postfix 73 power 74
-
and_test 64 atom 65 chain 66 comparison 67 expr 190 factor 69 item 191 items 192 not_test 71 or_test 72 postfix 73
  power 74 start 193 sum 75 term 76
atom 65 factor 69 postfix 73 power 74 term 194
atom 65 factor 69 postfix 73 power 74 term 195
atom 65 factor 69 postfix 73 power 74 sum 196 term 76
atom 65 factor 197 postfix 73 power 74
atom 65 factor 198 postfix 73 power 74
atom 65 factor 199 postfix 73 power 74
atom 65 factor 200 postfix 73 power 74
atom 65 factor 201 postfix 73 power 74
-
-
formal 204 formal_list 205 formals 206
names 207
and_test 64 atom 65 chain 66 comparison 67 expr 208 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
names 209
and_test 64 atom 65 chain 66 comparison 67 expr 210 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
hyper_item 211
and_test 64 atom 65 chain 66 comparison 67 expr 119 exprs 212 factor 69 not_test 71 or_test 72 postfix 73 power 74
  sum 75 term 76
-
index_item 214
-
declared 215
formal 217 layer_formal 218 layer_formal_list 219 layer_formals 220
stage 221
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 222 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
and_test 64 atom 65 chain 66 comparison 67 expr 223 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 229 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
and_test 64 atom 65 chain 66 comparison 67 expr 230 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
size_item 231
-
formal 204 formal_list 205 formals 233
and_test 64 atom 65 chain 66 comparison 67 expr 234 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
and_test 64 atom 65 chain 66 comparison 67 expr 235 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
and_test 64 atom 65 chain 66 comparison 67 expr 237 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
and_test 64 atom 65 chain 66 comparison 67 expr 119 exprs 238 factor 69 not_test 71 or_test 72 postfix 73 power 74
  sum 75 term 76
-
-
-
-
clause 242 clauses 243
and_test 64 atom 65 chain 66 comparison 67 expr 247 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
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
-
atom 65 factor 69 postfix 73 power 74 sum 261 term 76
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
and_test 64 atom 65 chain 66 comparison 67 expr 265 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
stage 266
draw 268
draw 269
ending 270
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 273 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
-
draw 275
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 278 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
and_test 64 argument 279 atom 65 chain 66 comparison 67 expr 280 factor 69 not_test 71 or_test 72 postfix 73 power
  74 sum 75 term 76
-
-
clause 282
names 284
and_test 64 atom 65 chain 66 comparison 67 factor 69 not_test 71 or_test 285 postfix 73 power 74 sum 75 term 76
-
-
and_test 64 argument 176 argument_list 177 arguments 286 atom 65 chain 66 comparison 67 expr 179 factor 69 not_test
  71 or_test 72 postfix 73 power 74 sum 75 term 76
-
and_test 64 atom 65 chain 66 comparison 67 expr 190 factor 69 item 289 not_test 71 or_test 72 postfix 73 power 74
  start 193 sum 75 term 76
-
and_test 64 atom 65 chain 66 comparison 67 expr 291 factor 69 not_test 71 or_test 72 postfix 73 power 74 stop 292
  sum 75 term 76
and_test 64 atom 65 chain 66 comparison 67 expr 293 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
and_test 64 atom 65 chain 66 comparison 67 expr 294 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
formal 295
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 247 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
extent 303 pattern 304
formal 217 layer_formal 305
-
-
-
-
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 313 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 247 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
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
clause 242 clauses 320
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 321 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
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
stage 325
and_test 64 argument 176 argument_list 177 arguments 326 atom 65 chain 66 comparison 67 expr 179 factor 69 not_test
  71 or_test 72 postfix 73 power 74 sum 75 term 76
-
stage 327
-
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 330 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
and_test 64 atom 65 chain 66 comparison 67 expr 291 factor 69 not_test 71 or_test 72 postfix 73 power 74 stop 332
  sum 75 term 76
clause 282
-
-
extent 334
-
-
-
-
-
-
-
-
-
and_test 64 atom 65 chain 66 comparison 67 expr 338 factor 69 not_test 71 or_test 72 postfix 73 power 74 sum 75 term
  76
-
-
-
-
-
-
-"""
