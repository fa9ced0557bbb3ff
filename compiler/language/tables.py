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
    ("line", "hessian", 4),
    ("hyper_item", "hyper_item", 3),
    ("hypers", "more", 3),
    ("indices", "more", 3),
    ("declareds", "more", 3),
    ("line", "jacobian", 4),
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
    ("line", "hessian_diagonal", 5),
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
    ("line", "jacobian", 6),
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
NAME 7 def 9 derivative 10 dtype 11 for 12 gradient 13 hessian 14 hyper 15 index 16 input 17 jacobian 18 layer 19
  minimize 21 next 23 output 24 param 26 random 28 scan 29 size 30 state 31 update 33 use 34
NAME 7 for 12 next 23 return 37 scan 29
NAME 7 for 12 next 23 param 26 random 28 return 43 scan 29 state 31
NAME 7 for 12 next 23 scan 29
NAME 7 carry 49 emit 50 for 12 next 23 random 51 scan 29
NAME 7 state 55
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
, -1 = -1 [ 79
$END -2
NAME 80
NAME 81
NAME 82
NAME 83
NAME 84
NAME 85 diagonal 86
NAME 87
NAME 90
NAME 93
NAME 96
NAME 97
$END 0
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
, 99 = 100
NAME 101
NAME 102
$END -2
NAME 104
$END -2
NAME 105
NAME 106
NAME 107
NAME 110
$END -2
NAME 111
NAME 112 STRING 113
$END -3
$END 0
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -3
$END -4
$END 0
$END -4
$END -4
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -4
$END -5
$END 0
$END -5
$END -6
NAME 116
NAME 117
NAME 118
$END 0
$END -6
$END -7
NAME 119
$END 0
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
!= -8 $END -8 % -8 ) -8 * -8 ** -8 + -8 , -8 - -8 . -8 / -8 // -8 : -8 < -8 <= -8 == -8 > -8 >= -8 @ -8 [ -8 ] -8
  and -8 for -8 frozen -8 if -8 or -8 recompute -8 until -8 with -8 |> -8
!= -9 $END -9 % -9 ( 123 ) -9 * -9 ** -9 + -9 , -9 - -9 . -9 / -9 // -9 : -9 < -9 <= -9 == -9 > -9 >= -9 @ -9 [ -9 ]
  -9 and -9 for -9 frozen -9 if -9 or -9 recompute -9 until -9 with -9 |> -9
!= -10 $END -10 % -10 ) -10 * -10 ** -10 + -10 , -10 - -10 . -10 / -10 // -10 : -10 < -10 <= -10 == -10 > -10 >= -10
  @ -10 [ -10 ] -10 and -10 for -10 frozen -10 if -10 or -10 recompute -10 until -10 with -10 |> -10
!= -11 $END -11 % -11 ) -11 * -11 ** -11 + -11 , -11 - -11 . -11 / -11 // -11 : -11 < -11 <= -11 == -11 > -11 >= -11
  @ -11 [ -11 ] -11 and -11 for -11 frozen -11 if -11 or -11 recompute -11 until -11 with -11 |> -11
!= -8 $END -8 % -8 ) -8 * -8 ** -8 + -8 , -8 - -8 . -8 / -8 // -8 : -8 < -8 <= -8 == -8 > -8 >= -8 @ -8 [ -8 ] -8
  and -8 for -8 frozen -8 if -8 or -8 recompute -8 until -8 with -8 |> -8
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -12 ) -12 , -12 : -12 ] -12 and 126 for -12 frozen -12 if -12 or -12 recompute -12 until -12 with -12 |> -12
!= -13 $END -13 % -13 ) -13 * -13 ** -13 + -13 , -13 - -13 . -13 / -13 // -13 : -13 < -13 <= -13 == -13 > -13 >= -13
  @ -13 [ -13 ] -13 and -13 for -13 frozen -13 if -13 or -13 recompute -13 until -13 with -13 |> -13
!= 127 $END -14 ) -14 , -14 : -14 < 128 <= 129 == 130 > 131 >= 132 ] -14 and -14 for -14 frozen -14 if -14 or -14
  recompute -14 until -14 with -14 |> -14
$END -15 ) -15 , -15 : -15 ] -15 and -15 for -15 frozen -15 if -15 or -15 recompute -15 until -15 with -15 |> -15
$END 0 |> 134
!= -16 $END -16 % -16 ) -16 * -16 + -16 , -16 - -16 / -16 // -16 : -16 < -16 <= -16 == -16 > -16 >= -16 @ -16 ] -16
  and -16 for -16 frozen -16 if -16 or -16 recompute -16 until -16 with -16 |> -16
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -17 ) -17 , -17 : -17 ] -17 and -17 for -17 frozen -17 if -17 or -17 recompute -17 until -17 with -17 |> -17
$END -18 ) -18 , -18 : -18 ] -18 for -18 frozen -18 if -18 or 136 recompute -18 until -18 with -18 |> -18
!= -19 $END -19 % -19 ) -19 * -19 ** 137 + -19 , -19 - -19 . 138 / -19 // -19 : -19 < -19 <= -19 == -19 > -19 >= -19
  @ -19 [ 139 ] -19 and -19 for -19 frozen -19 if -19 or -19 recompute -19 until -19 with -19 |> -19
!= -20 $END -20 % -20 ) -20 * -20 + -20 , -20 - -20 / -20 // -20 : -20 < -20 <= -20 == -20 > -20 >= -20 @ -20 ] -20
  and -20 for -20 frozen -20 if -20 or -20 recompute -20 until -20 with -20 |> -20
!= 127 $END -21 ) -21 + 140 , -21 - 141 : -21 < 128 <= 129 == 130 > 131 >= 132 ] -21 and -21 for -21 frozen -21 if
  -21 or -21 recompute -21 until -21 with -21 |> -21
!= -22 $END -22 % 143 ) -22 * 144 + -22 , -22 - -22 / 145 // 146 : -22 < -22 <= -22 == -22 > -22 >= -22 @ 147 ] -22
  and -22 for -22 frozen -22 if -22 or -22 recompute -22 until -22 with -22 |> -22
NAME 148
( 150
( 151
$END -23
in 152
wrt 153
wrt 154
NAME 155
= 156
$END -24 , -24
$END -25 , 157
$END -26 , -26 < -26 [ 158
$END -27 , -27
$END -28 , 160
$END -26 , -26 [ 158
$END -29 , -29
$END -30 , 162
wrt 163
( 164
$END -31 with 165 |> 134
NAME 166
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
= 168
$END -1 , -1 = 169
$END -32 , 99
$END -26 = -26 [ 158 frozen -26 with -26 ~ -26
[ 158 ~ -26
in 172
$END -33 , -33 = 173
$END -34 , -34
$END -35 , 174
= -26 [ 158
( 176
$END -36
$END -37
$END -38 |> 134
$END -39 |> 134
= 177
$END -40 = 178
[ 158 ~ -26
= 180
) 181 , 182 |> 134
!= -41 $END -41 % -41 ) -41 * -41 + -41 , -41 - -41 / -41 // -41 : -41 < -41 <= -41 == -41 > -41 >= -41 @ -41 ] -41
  and -41 for -41 frozen -41 if -41 or -41 recompute -41 until -41 with -41 |> -41
!= -41 $END -41 % -41 ) -41 * -41 + -41 , -41 - -41 / -41 // -41 : -41 < -41 <= -41 == -41 > -41 >= -41 @ -41 ] -41
  and -41 for -41 frozen -41 if -41 or -41 recompute -41 until -41 with -41 |> -41
( 57 ) -42 + 58 - 59 False 60 NAME 183 NUMBER 62 STRING 63 True 64 [ 65 not 72
) -43 , -43 ] -43 |> 134
, 188 ] 189
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( -44 + -44 - -44 False -44 NAME -44 NUMBER -44 STRING -44 True -44 [ -44
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
NAME 192
$END -45 ) -45 , -45 : -45 ] -45 and -45 for -45 frozen -45 if -45 or -45 recompute -45 until -45 with -45 |> -45
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
NAME 196
( 57 + 58 - 59 ... 197 : -46 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
$END -1 ) -1 , -1 ] -1 each -1
, 99 ] 210
) -47 NAME 211
NAME 148
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
NAME 148
NAME 148
wrt 219
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
NAME 87
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -48 , -48 < 223
NAME 90
$END -49 , -49
NAME 93
NAME 148
) -50 NAME 227
NAME 192
$END -51 ) -51 , -51 = -51 ] -51 each -51 for -51 if -51
$END -52 |> 134
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -53 = 235 frozen 236 with 237 ~ 238
~ 239
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
NAME 107
= 243
) -47 NAME 211
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
~ 247
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
!= -54 $END -54 % -54 ) -54 * -54 ** -54 + -54 , -54 - -54 . -54 / -54 // -54 : -54 < -54 <= -54 == -54 > -54 >= -54
  @ -54 [ -54 ] -54 and -54 for -54 frozen -54 if -54 or -54 recompute -54 until -54 with -54 |> -54
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
!= -9 % -9 ( 123 ) -9 * -9 ** -9 + -9 , -9 - -9 . -9 / -9 // -9 < -9 <= -9 = 250 == -9 > -9 >= -9 @ -9 [ -9 and -9
  for -9 if -9 or -9 |> -9
) -55 , -55
) -56 , 251
) 252
) -57 , -57 for 255 if 256 |> 134
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 ] 257 not 72
!= -58 $END -58 % -58 ) -58 * -58 ** -58 + -58 , -58 - -58 . -58 / -58 // -58 : -58 < -58 <= -58 == -58 > -58 >= -58
  @ -58 [ -58 ] -58 and -58 for -58 frozen -58 if -58 or -58 recompute -58 until -58 with -58 |> -58
$END -59 ) -59 , -59 : -59 ] -59 and -59 for -59 frozen -59 if -59 or -59 recompute -59 until -59 with -59 |> -59
!= -60 $END -60 ) -60 + 140 , -60 - 141 : -60 < -60 <= -60 == -60 > -60 >= -60 ] -60 and -60 for -60 frozen -60 if
  -60 or -60 recompute -60 until -60 with -60 |> -60
$END -61 ( 259 ) -61 , -61 : -61 ] -61 as 260 for -61 frozen -61 if -61 recompute -61 until -61 with -61 |> -61
$END -62 ) -62 , -62 : -62 ] -62 for -62 frozen -62 if -62 recompute -62 until -62 with -62 |> -62
$END -63 ) -63 , -63 : -63 ] -63 and 126 for -63 frozen -63 if -63 or -63 recompute -63 until -63 with -63 |> -63
!= -64 $END -64 % -64 ) -64 * -64 + -64 , -64 - -64 / -64 // -64 : -64 < -64 <= -64 == -64 > -64 >= -64 @ -64 ] -64
  and -64 for -64 frozen -64 if -64 or -64 recompute -64 until -64 with -64 |> -64
!= -65 $END -65 % -65 ) -65 * -65 ** -65 + -65 , -65 - -65 . -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65
  @ -65 [ -65 ] -65 and -65 for -65 frozen -65 if -65 or -65 recompute -65 until -65 with -65 |> -65
, -66 ] -66
, -67 : -68 ] -67 |> 134
, -69 ] -69
, 261 ] 262
: 263
!= -70 $END -70 % 143 ) -70 * 144 + -70 , -70 - -70 / 145 // 146 : -70 < -70 <= -70 == -70 > -70 >= -70 @ 147 ] -70
  and -70 for -70 frozen -70 if -70 or -70 recompute -70 until -70 with -70 |> -70
!= -70 $END -70 % 143 ) -70 * 144 + -70 , -70 - -70 / 145 // 146 : -70 < -70 <= -70 == -70 > -70 >= -70 @ 147 ] -70
  and -70 for -70 frozen -70 if -70 or -70 recompute -70 until -70 with -70 |> -70
!= -71 $END -71 ) -71 + 140 , -71 - 141 : -71 < -71 <= -71 == -71 > -71 >= -71 ] -71 and -71 for -71 frozen -71 if
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
= 264
) -73 , -73 = 265
) -74 , -74
) -75 , 266
) 267
) 268 , 99
: 269 |> 134
$END -76 , 99
$END -77 , 99
NAME 148
$END -78 , -78 |> 134
$END -79 , -79
, 271 ] 272
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65
$END -80 , -80
$END -81 , -81
$END -82 , 99 each 274
) -73 , -73 = 265 [ 275
) -83 , -83
) -84 , -84
) -85 , 276
) 277
$END -86
$END -87 |> 134
$END -88 |> 134
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -89
NAME 192
NAME 280
NAME 280
: -90 recompute 284 until 285 |> 134
$END -91 , -91 |> 134
$END -92 , -92
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
) 287
$END -93 |> 134
$END -94 |> 134
NAME 280
$END -95 |> 134
) 289 , 290
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 ) -96 + 58 - 59 False 60 NAME 183 NUMBER 62 STRING 63 True 64 [ 65 not 72
!= -97 $END -97 % -97 ) -97 * -97 ** -97 + -97 , -97 - -97 . -97 / -97 // -97 : -97 < -97 <= -97 == -97 > -97 >= -97
  @ -97 [ -97 ] -97 and -97 as 294 for -97 frozen -97 if -97 or -97 recompute -97 until -97 with -97 |> -97
$END -98 ) -98 for -98 if -98
) -99 for 255 if 256
NAME 296
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
!= -100 $END -100 % -100 ) -100 * -100 ** -100 + -100 , -100 - -100 . -100 / -100 // -100 : -100 < -100 <= -100 ==
  -100 > -100 >= -100 @ -100 [ -100 ] -100 and -100 for -100 frozen -100 if -100 or -100 recompute -100 until -100
  with -100 |> -100
) -101 , -101 ] -101 |> 134
( 57 ) -42 + 58 - 59 False 60 NAME 183 NUMBER 62 STRING 63 True 64 [ 65 not 72
NAME 300
( 57 + 58 - 59 ... 197 : -46 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 ] 301 not 72
!= -102 $END -102 % -102 ) -102 * -102 ** -102 + -102 , -102 - -102 . -102 / -102 // -102 : -102 < -102 <= -102 ==
  -102 > -102 >= -102 @ -102 [ -102 ] -102 and -102 for -102 frozen -102 if -102 or -102 pad 303 recompute -102
  until -102 with -102 |> -102
( 57 + 58 , -103 - 59 : -103 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 ] -103 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
) -104 NAME 211
: 309 = 310
wrt 311
$END -105
$END -106 , 99
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 ] 312 not 72
$END -107 , -107 < -107 = -107 frozen -107 with -107 ~ -107
$END -108 + 140 , -108 - 141
NAME 313
... 314 NAME 315 NUMBER 316
) -109 NAME 227
: 320
$END -110 frozen 321 with 322 |> 134
$END -110
$END -111 ( 323 frozen -111 with -111
$END -110 frozen 324 with 325
$END -112
: 326
: -113
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -114 |> 134
of 328
$END -115
!= -116 $END -116 % -116 ) -116 * -116 ** -116 + -116 , -116 - -116 . -116 / -116 // -116 : -116 < -116 <= -116 ==
  -116 > -116 >= -116 @ -116 [ -116 ] -116 and -116 for -116 frozen -116 if -116 or -116 recompute -116 until -116
  with -116 |> -116
( 57 ) 329 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
) -117 , -117 |> 134
) -118 , -118
) -57 , -57 |> 134
NAME 330
$END -119 ) -119 for -119 if -119
$END -1 ) -1 , -1 for -1 if -1 in 331
$END -120 ) -120 , 99 for -120 if -120
$END -121 ) -121 for -121 if -121 or 136
) 332
$END -122 ) -122 , -122 : -122 ] -122 for -122 frozen -122 if -122 recompute -122 until -122 with -122 |> -122
!= -123 $END -123 % -123 ) -123 * -123 ** -123 + -123 , -123 - -123 . -123 / -123 // -123 : -123 < -123 <= -123 ==
  -123 > -123 >= -123 @ -123 [ -123 ] -123 and -123 for -123 frozen -123 if -123 or -123 recompute -123 until -123
  with -123 |> -123
, -124 ] -124
!= -125 $END -125 % -125 ) -125 * -125 ** -125 + -125 , -125 - -125 . -125 / -125 // -125 : -125 < -125 <= -125 ==
  -125 > -125 >= -125 @ -125 [ -125 ] -125 and -125 for -125 frozen -125 if -125 or -125 recompute -125 until -125
  with -125 |> -125
, -126 : -126 ] -126 |> 134
, -127 : 333 ] -127
$END -128 for 255 if 256 |> 134
) -129 , -129 |> 134
) -130 , -130
$END -131
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
NAME 336
$END -132 , -132 < -132 = -132 frozen -132 with -132 ~ -132
$END -133
, -134 ] -134
, -134 ] -134
, -134 ] -134
, -135 ] -135
, 337 ] 338
) -136 , -136
$END -137
$END -138
NAME 192
( 57 ) -42 + 58 - 59 False 60 NAME 183 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -138
NAME 192
$END -139
: -140 recompute 342 |> 134
NAME 343
!= -141 $END -141 % -141 ) -141 * -141 ** -141 + -141 , -141 - -141 . -141 / -141 // -141 : -141 < -141 <= -141 ==
  -141 > -141 >= -141 @ -141 [ -141 ] -141 and -141 for -141 frozen -141 if -141 or -141 recompute -141 until -141
  with -141 |> -141
!= -142 $END -142 % -142 ) -142 * -142 ** -142 + -142 , -142 - -142 . -142 / -142 // -142 : -142 < -142 <= -142 ==
  -142 > -142 >= -142 @ -142 [ -142 ] -142 and -142 for -142 frozen -142 if -142 or -142 recompute -142 until -142
  with -142 |> -142
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
$END -143 ) -143 , -143 : -143 ] -143 as 345 for -143 frozen -143 if -143 recompute -143 until -143 with -143 |>
  -143
( 57 + 58 , -103 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 ] -103 not 72
$END -144 for 255 if 256
$END -145 |> 134
= 347
... 314 NAME 315 NUMBER 316
) -146 , -146
$END -147
) 349
$END -147
: -148
with 350
$END -149 ) -149 for -149 if -149 |> 134
NAME 351
, -150 ] -150
( 57 + 58 - 59 False 60 NAME 61 NUMBER 62 STRING 63 True 64 [ 65 not 72
, -151 ] -151
$END -152 frozen -152 with -152
NAME 353
$END -153 ) -153 , -153 : -153 ] -153 for -153 frozen -153 if -153 recompute -153 until -153 with -153 |> -153
$END -154 |> 134
: 354
$END -155"""

GOTOS = """\
binding 8 line 20 names 22 owned 25 param 27 step 32
binding 35 def_line 36 names 22 step 38
binding 39 layer_line 40 names 22 owned 41 param 42 step 44
binding 45 for_line 46 names 22 step 47
binding 48 names 22 scan_line 52 step 53
binding 54 names 22 update_line 56
and_test 66 atom 67 chain 68 comparison 69 expr 70 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
-
-
-
-
-
-
hyper_item 88 hypers 89
index_item 91 indices 92
declared 94 declareds 95
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 98 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
names 103
-
-
-
-
-
size_item 108 sizes 109
-
-
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 114 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 115 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
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
and_test 66 atom 67 chain 68 comparison 69 expr 120 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
atom 67 factor 121 postfix 75 power 76
atom 67 factor 122 postfix 75 power 76
-
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 124 exprs 125 factor 71 not_test 73 or_test 74 postfix 75 power 76
  sum 77 term 78
-
-
comparator 133
-
-
-
atom 67 chain 68 comparison 69 factor 71 not_test 135 postfix 75 power 76 sum 77 term 78
-
-
-
-
comparator 142
-
names 149
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
shape 159
-
-
shape 161
-
-
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 167 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
-
shape 170
shape 171
-
-
-
-
shape 175
-
-
-
-
-
-
-
shape 179
-
-
-
-
and_test 66 argument 184 argument_list 185 arguments 186 atom 67 chain 68 comparison 69 expr 187 factor 71 not_test
  73 or_test 74 postfix 75 power 76 sum 77 term 78
-
-
atom 67 chain 68 comparison 69 factor 71 not_test 190 postfix 75 power 76 sum 77 term 78
-
-
-
-
-
-
atom 67 factor 71 postfix 75 power 76 sum 191 term 78
stage 193
-
and_test 194 atom 67 chain 68 comparison 69 factor 71 not_test 73 postfix 75 power 76 sum 77 term 78
atom 67 factor 195 postfix 75 power 76
-
and_test 66 atom 67 chain 68 comparison 69 expr 198 factor 71 item 199 items 200 not_test 73 or_test 74 postfix 75
  power 76 start 201 sum 77 term 78
atom 67 factor 71 postfix 75 power 76 term 202
atom 67 factor 71 postfix 75 power 76 term 203
atom 67 factor 71 postfix 75 power 76 sum 204 term 78
atom 67 factor 205 postfix 75 power 76
atom 67 factor 206 postfix 75 power 76
atom 67 factor 207 postfix 75 power 76
atom 67 factor 208 postfix 75 power 76
atom 67 factor 209 postfix 75 power 76
-
-
formal 212 formal_list 213 formals 214
names 215
and_test 66 atom 67 chain 68 comparison 69 expr 216 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
names 217
names 218
-
and_test 66 atom 67 chain 68 comparison 69 expr 220 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
hyper_item 221
and_test 66 atom 67 chain 68 comparison 69 expr 124 exprs 222 factor 71 not_test 73 or_test 74 postfix 75 power 76
  sum 77 term 78
-
index_item 224
-
declared 225
names 226
formal 228 layer_formal 229 layer_formal_list 230 layer_formals 231
stage 232
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 233 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
and_test 66 atom 67 chain 68 comparison 69 expr 234 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 240 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
and_test 66 atom 67 chain 68 comparison 69 expr 241 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
size_item 242
-
formal 212 formal_list 213 formals 244
and_test 66 atom 67 chain 68 comparison 69 expr 245 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
and_test 66 atom 67 chain 68 comparison 69 expr 246 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
and_test 66 atom 67 chain 68 comparison 69 expr 248 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
and_test 66 atom 67 chain 68 comparison 69 expr 124 exprs 249 factor 71 not_test 73 or_test 74 postfix 75 power 76
  sum 77 term 78
-
-
-
-
clause 253 clauses 254
and_test 66 atom 67 chain 68 comparison 69 expr 258 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
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
names 270
-
-
-
atom 67 factor 71 postfix 75 power 76 sum 273 term 78
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
and_test 66 atom 67 chain 68 comparison 69 expr 278 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
stage 279
draw 281
draw 282
ending 283
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 286 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
-
draw 288
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 291 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
and_test 66 argument 292 atom 67 chain 68 comparison 69 expr 293 factor 71 not_test 73 or_test 74 postfix 75 power
  76 sum 77 term 78
-
-
clause 295
names 297
and_test 66 atom 67 chain 68 comparison 69 factor 71 not_test 73 or_test 298 postfix 75 power 76 sum 77 term 78
-
-
and_test 66 argument 184 argument_list 185 arguments 299 atom 67 chain 68 comparison 69 expr 187 factor 71 not_test
  73 or_test 74 postfix 75 power 76 sum 77 term 78
-
and_test 66 atom 67 chain 68 comparison 69 expr 198 factor 71 item 302 not_test 73 or_test 74 postfix 75 power 76
  start 201 sum 77 term 78
-
and_test 66 atom 67 chain 68 comparison 69 expr 304 factor 71 not_test 73 or_test 74 postfix 75 power 76 stop 305
  sum 77 term 78
and_test 66 atom 67 chain 68 comparison 69 expr 306 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
and_test 66 atom 67 chain 68 comparison 69 expr 307 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
formal 308
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 258 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
-
extent 317 pattern 318
formal 228 layer_formal 319
-
-
-
-
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 327 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 258 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
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
clause 253 clauses 334
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 335 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
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
stage 339
and_test 66 argument 184 argument_list 185 arguments 340 atom 67 chain 68 comparison 69 expr 187 factor 71 not_test
  73 or_test 74 postfix 75 power 76 sum 77 term 78
-
stage 341
-
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 344 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
and_test 66 atom 67 chain 68 comparison 69 expr 304 factor 71 not_test 73 or_test 74 postfix 75 power 76 stop 346
  sum 77 term 78
clause 295
-
-
extent 348
-
-
-
-
-
-
-
-
-
and_test 66 atom 67 chain 68 comparison 69 expr 352 factor 71 not_test 73 or_test 74 postfix 75 power 76 sum 77 term
  78
-
-
-
-
-
-
-"""
