"""Made from grammar.lark by lalr.py: do not edit. The LALR(1) tables, one state a row (indented lines go on).

In ACTIONS a terminal is followed by the next state, or by ~r for a reduction with rule r of RULES: (what it makes, the name
of the method that builds it, how many symbols it takes). GOTOS has the states after a reduction.
"""

START = {"line": 0, "def_line": 1, "update_line": 2, "expr": 3}

RULES = (
    ("names", "first", 1),
    ("line", "", 1),
    ("def_line", "", 1),
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
    ("factor", "unary", 2),
    ("arguments", "none", 0),
    ("exprs", "first", 1),
    ("comparator", "", 1),
    ("not_test", "unary", 2),
    ("start", "nothing", 0),
    ("formals", "none", 0),
    ("index_item", "declared", 2),
    ("declared", "declared", 2),
    ("names", "more", 3),
    ("binding", "binding", 3),
    ("line", "param", 3),
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
    ("line", "minimize", 4),
    ("line", "output_value", 4),
    ("line", "param", 4),
    ("size_item", "size_item", 3),
    ("sizes", "more", 3),
    ("update_line", "state", 4),
    ("arguments", "same", 2),
    ("atom", "call", 4),
    ("atom", "array", 4),
    ("exprs", "more", 3),
    ("postfix", "subscript", 4),
    ("stop", "nothing", 0),
    ("formals", "same", 2),
    ("shape", "shape", 3),
    ("index_item", "declared", 4),
    ("line", "param", 5),
    ("draw", "ref", 1),
    ("atom", "axes", 5),
    ("argument", "keyword", 3),
    ("argument_list", "more", 3),
    ("postfix", "subscript", 5),
    ("items", "more", 3),
    ("stop", "", 1),
    ("item", "slice", 3),
    ("formal", "formal", 3),
    ("formal_list", "more", 3),
    ("line", "def_block", 6),
    ("shape", "shape", 4),
    ("line", "param", 6),
    ("atom", "axes", 6),
    ("stage", "stage_call", 4),
    ("line", "def_line", 7),
    ("item", "slice", 5),
    ("draw", "call", 4),
    ("line", "update", 10),
)

ACTIONS = """\
NAME 4 def 6 dtype 7 gradient 8 hyper 9 index 10 input 11 minimize 13 output 15 param 16 size 17 update 18 use 19
NAME 4 return 22
NAME 4 state 24
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -1 , -1 = -1
$END -2
NAME 48
NAME 49
NAME 50
NAME 51
NAME 54
NAME 57
$END 0
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
, 61 = 62
NAME 63
NAME 65
NAME 66
NAME 69
NAME 70 STRING 71
$END -3
$END 0
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -4
NAME 73
$END 0
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
!= -5 $END -5 % -5 ) -5 * -5 ** -5 + -5 , -5 - -5 . -5 / -5 // -5 : -5 < -5 <= -5 == -5 > -5 >= -5 @ -5 [ -5 ] -5
  and -5 frozen -5 or -5 with -5 |> -5
!= -6 $END -6 % -6 ( 77 ) -6 * -6 ** -6 + -6 , -6 - -6 . -6 / -6 // -6 : -6 < -6 <= -6 == -6 > -6 >= -6 @ -6 [ -6 ]
  -6 and -6 frozen -6 or -6 with -6 |> -6
!= -7 $END -7 % -7 ) -7 * -7 ** -7 + -7 , -7 - -7 . -7 / -7 // -7 : -7 < -7 <= -7 == -7 > -7 >= -7 @ -7 [ -7 ] -7
  and -7 frozen -7 or -7 with -7 |> -7
!= -8 $END -8 % -8 ) -8 * -8 ** -8 + -8 , -8 - -8 . -8 / -8 // -8 : -8 < -8 <= -8 == -8 > -8 >= -8 @ -8 [ -8 ] -8
  and -8 frozen -8 or -8 with -8 |> -8
!= -5 $END -5 % -5 ) -5 * -5 ** -5 + -5 , -5 - -5 . -5 / -5 // -5 : -5 < -5 <= -5 == -5 > -5 >= -5 @ -5 [ -5 ] -5
  and -5 frozen -5 or -5 with -5 |> -5
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -9 ) -9 , -9 : -9 ] -9 and 80 frozen -9 or -9 with -9 |> -9
!= -10 $END -10 % -10 ) -10 * -10 ** -10 + -10 , -10 - -10 . -10 / -10 // -10 : -10 < -10 <= -10 == -10 > -10 >= -10
  @ -10 [ -10 ] -10 and -10 frozen -10 or -10 with -10 |> -10
!= 81 $END -11 ) -11 , -11 : -11 < 82 <= 83 == 84 > 85 >= 86 ] -11 and -11 frozen -11 or -11 with -11 |> -11
$END -12 ) -12 , -12 : -12 ] -12 and -12 frozen -12 or -12 with -12 |> -12
$END 0 |> 88
!= -13 $END -13 % -13 ) -13 * -13 + -13 , -13 - -13 / -13 // -13 : -13 < -13 <= -13 == -13 > -13 >= -13 @ -13 ] -13
  and -13 frozen -13 or -13 with -13 |> -13
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -14 ) -14 , -14 : -14 ] -14 and -14 frozen -14 or -14 with -14 |> -14
$END -15 ) -15 , -15 : -15 ] -15 frozen -15 or 90 with -15 |> -15
!= -16 $END -16 % -16 ) -16 * -16 ** 91 + -16 , -16 - -16 . 92 / -16 // -16 : -16 < -16 <= -16 == -16 > -16 >= -16 @
  -16 [ 93 ] -16 and -16 frozen -16 or -16 with -16 |> -16
!= -17 $END -17 % -17 ) -17 * -17 + -17 , -17 - -17 / -17 // -17 : -17 < -17 <= -17 == -17 > -17 >= -17 @ -17 ] -17
  and -17 frozen -17 or -17 with -17 |> -17
!= 81 $END -18 ) -18 + 94 , -18 - 95 : -18 < 82 <= 83 == 84 > 85 >= 86 ] -18 and -18 frozen -18 or -18 with -18 |>
  -18
!= -19 $END -19 % 97 ) -19 * 98 + -19 , -19 - -19 / 99 // 100 : -19 < -19 <= -19 == -19 > -19 >= -19 @ 101 ] -19 and
  -19 frozen -19 or -19 with -19 |> -19
( 102
$END -20
wrt 103
= 104
$END -21 , -21
$END -22 , 105
$END -23 , -23 < -23 [ 106
$END -24 , -24
$END -25 , 108
$END -23 , -23 [ 106
$END -26 , -26
$END -27 , 110
$END -28 with 111 |> 88
NAME 112
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -1 , -1 = 114
$END -29 , 61
$END -23 = -23 [ 106 frozen -23 ~ -23
$END -30 , -30 = 116
$END -31 , -31
$END -32 , 117
( 118
$END -33
$END -34
$END -35 |> 88
= 119
) 120 , 121 |> 88
!= -36 $END -36 % -36 ) -36 * -36 + -36 , -36 - -36 / -36 // -36 : -36 < -36 <= -36 == -36 > -36 >= -36 @ -36 ] -36
  and -36 frozen -36 or -36 with -36 |> -36
!= -36 $END -36 % -36 ) -36 * -36 + -36 , -36 - -36 / -36 // -36 : -36 < -36 <= -36 == -36 > -36 >= -36 @ -36 ] -36
  and -36 frozen -36 or -36 with -36 |> -36
( 26 ) -37 + 27 - 28 False 29 NAME 122 NUMBER 31 STRING 32 True 33 [ 34 not 41
) -38 , -38 ] -38 |> 88
, 127 ] 128
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
( -39 + -39 - -39 False -39 NAME -39 NUMBER -39 STRING -39 True -39 [ -39
( -39 + -39 - -39 False -39 NAME -39 NUMBER -39 STRING -39 True -39 [ -39
( -39 + -39 - -39 False -39 NAME -39 NUMBER -39 STRING -39 True -39 [ -39
( -39 + -39 - -39 False -39 NAME -39 NUMBER -39 STRING -39 True -39 [ -39
( -39 + -39 - -39 False -39 NAME -39 NUMBER -39 STRING -39 True -39 [ -39
( -39 + -39 - -39 False -39 NAME -39 NUMBER -39 STRING -39 True -39 [ -39
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
NAME 131
$END -40 ) -40 , -40 : -40 ] -40 and -40 frozen -40 or -40 with -40 |> -40
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
NAME 135
( 26 + 27 - 28 : -41 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
) -42 NAME 148
NAME 4
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
NAME 51
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -43 , -43 < 156
NAME 54
$END -44 , -44
NAME 57
NAME 131
$END -45 , -45 = -45
$END -46 |> 88
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -47 = 161 frozen 162 ~ 163
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
NAME 66
) -42 NAME 148
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
!= -48 $END -48 % -48 ) -48 * -48 ** -48 + -48 , -48 - -48 . -48 / -48 // -48 : -48 < -48 <= -48 == -48 > -48 >= -48
  @ -48 [ -48 ] -48 and -48 frozen -48 or -48 with -48 |> -48
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
!= -6 % -6 ( 77 ) -6 * -6 ** -6 + -6 , -6 - -6 . -6 / -6 // -6 < -6 <= -6 = 169 == -6 > -6 >= -6 @ -6 [ -6 and -6 or
  -6 |> -6
) -49 , -49
) -50 , 170
) 171
) -51 , -51 |> 88
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 ] 172 not 41
!= -52 $END -52 % -52 ) -52 * -52 ** -52 + -52 , -52 - -52 . -52 / -52 // -52 : -52 < -52 <= -52 == -52 > -52 >= -52
  @ -52 [ -52 ] -52 and -52 frozen -52 or -52 with -52 |> -52
$END -53 ) -53 , -53 : -53 ] -53 and -53 frozen -53 or -53 with -53 |> -53
!= -54 $END -54 ) -54 + 94 , -54 - 95 : -54 < -54 <= -54 == -54 > -54 >= -54 ] -54 and -54 frozen -54 or -54 with
  -54 |> -54
$END -55 ( 174 ) -55 , -55 : -55 ] -55 frozen -55 with -55 |> -55
$END -56 ) -56 , -56 : -56 ] -56 frozen -56 with -56 |> -56
$END -57 ) -57 , -57 : -57 ] -57 and 80 frozen -57 or -57 with -57 |> -57
!= -58 $END -58 % -58 ) -58 * -58 + -58 , -58 - -58 / -58 // -58 : -58 < -58 <= -58 == -58 > -58 >= -58 @ -58 ] -58
  and -58 frozen -58 or -58 with -58 |> -58
!= -59 $END -59 % -59 ) -59 * -59 ** -59 + -59 , -59 - -59 . -59 / -59 // -59 : -59 < -59 <= -59 == -59 > -59 >= -59
  @ -59 [ -59 ] -59 and -59 frozen -59 or -59 with -59 |> -59
, -60 : -61 ] -60 |> 88
, -62 ] -62
, 175 ] 176
: 177
!= -63 $END -63 % 97 ) -63 * 98 + -63 , -63 - -63 / 99 // 100 : -63 < -63 <= -63 == -63 > -63 >= -63 @ 101 ] -63 and
  -63 frozen -63 or -63 with -63 |> -63
!= -63 $END -63 % 97 ) -63 * 98 + -63 , -63 - -63 / 99 // 100 : -63 < -63 <= -63 == -63 > -63 >= -63 @ 101 ] -63 and
  -63 frozen -63 or -63 with -63 |> -63
!= -64 $END -64 ) -64 + 94 , -64 - 95 : -64 < -64 <= -64 == -64 > -64 >= -64 ] -64 and -64 frozen -64 or -64 with
  -64 |> -64
!= -65 $END -65 % -65 ) -65 * -65 + -65 , -65 - -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65 @ -65 ] -65
  and -65 frozen -65 or -65 with -65 |> -65
!= -65 $END -65 % -65 ) -65 * -65 + -65 , -65 - -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65 @ -65 ] -65
  and -65 frozen -65 or -65 with -65 |> -65
!= -65 $END -65 % -65 ) -65 * -65 + -65 , -65 - -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65 @ -65 ] -65
  and -65 frozen -65 or -65 with -65 |> -65
!= -65 $END -65 % -65 ) -65 * -65 + -65 , -65 - -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65 @ -65 ] -65
  and -65 frozen -65 or -65 with -65 |> -65
!= -65 $END -65 % -65 ) -65 * -65 + -65 , -65 - -65 / -65 // -65 : -65 < -65 <= -65 == -65 > -65 >= -65 @ -65 ] -65
  and -65 frozen -65 or -65 with -65 |> -65
) -66 , -66 = 178
) -67 , -67
) -68 , 179
) 180
$END -69 , 61
$END -70 , -70 |> 88
$END -71 , -71
, 181 ] 182
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34
$END -72 , -72
$END -73 , -73
$END -74
$END -75 |> 88
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -76
NAME 185
$END -77 , -77 |> 88
$END -78 , -78
) 187
$END -79 |> 88
) 188 , 189
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
( 26 ) -80 + 27 - 28 False 29 NAME 122 NUMBER 31 STRING 32 True 33 [ 34 not 41
!= -81 $END -81 % -81 ) -81 * -81 ** -81 + -81 , -81 - -81 . -81 / -81 // -81 : -81 < -81 <= -81 == -81 > -81 >= -81
  @ -81 [ -81 ] -81 and -81 frozen -81 or -81 with -81 |> -81
!= -82 $END -82 % -82 ) -82 * -82 ** -82 + -82 , -82 - -82 . -82 / -82 // -82 : -82 < -82 <= -82 == -82 > -82 >= -82
  @ -82 [ -82 ] -82 and -82 frozen -82 or -82 with -82 |> -82
) -83 , -83 ] -83 |> 88
( 26 ) -37 + 27 - 28 False 29 NAME 122 NUMBER 31 STRING 32 True 33 [ 34 not 41
( 26 + 27 - 28 : -41 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 ] 193 not 41
!= -84 $END -84 % -84 ) -84 * -84 ** -84 + -84 , -84 - -84 . -84 / -84 // -84 : -84 < -84 <= -84 == -84 > -84 >= -84
  @ -84 [ -84 ] -84 and -84 frozen -84 or -84 with -84 |> -84
( 26 + 27 , -85 - 28 : -85 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 ] -85 not 41
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
) -86 NAME 148
: 199 = 200
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 ] 201 not 41
$END -87 , -87 < -87 = -87 frozen -87 ~ -87
$END -88 + 94 , -88 - 95
$END -89 frozen 202 |> 88
$END -90 ( 203 frozen -90
$END -89 frozen 204
of 205
!= -91 $END -91 % -91 ) -91 * -91 ** -91 + -91 , -91 - -91 . -91 / -91 // -91 : -91 < -91 <= -91 == -91 > -91 >= -91
  @ -91 [ -91 ] -91 and -91 frozen -91 or -91 with -91 |> -91
( 26 ) 206 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
) -92 , -92 |> 88
) -93 , -93
) 207
!= -94 $END -94 % -94 ) -94 * -94 ** -94 + -94 , -94 - -94 . -94 / -94 // -94 : -94 < -94 <= -94 == -94 > -94 >= -94
  @ -94 [ -94 ] -94 and -94 frozen -94 or -94 with -94 |> -94
, -95 ] -95
, -96 : -96 ] -96 |> 88
, -97 : 208 ] -97
) -98 , -98 |> 88
) -99 , -99
$END -100
( 26 + 27 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -101 , -101 < -101 = -101 frozen -101 ~ -101
$END -102
( 26 ) -37 + 27 - 28 False 29 NAME 122 NUMBER 31 STRING 32 True 33 [ 34 not 41
$END -102
NAME 211
!= -103 $END -103 % -103 ) -103 * -103 ** -103 + -103 , -103 - -103 . -103 / -103 // -103 : -103 < -103 <= -103 ==
  -103 > -103 >= -103 @ -103 [ -103 ] -103 and -103 frozen -103 or -103 with -103 |> -103
$END -104 ) -104 , -104 : -104 ] -104 frozen -104 with -104 |> -104
( 26 + 27 , -85 - 28 False 29 NAME 30 NUMBER 31 STRING 32 True 33 [ 34 ] -85 not 41
$END -105 |> 88
) 213
with 214
, -106 ] -106
$END -107 frozen -107
NAME 215
: 216
$END -108"""

GOTOS = """\
binding 5 line 12 names 14
binding 20 def_line 21 names 14
binding 23 names 14 update_line 25
and_test 35 atom 36 chain 37 comparison 38 expr 39 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
-
-
-
-
hyper_item 52 hypers 53
index_item 55 indices 56
declared 58 declareds 59
-
and_test 35 atom 36 chain 37 comparison 38 expr 60 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
names 64
-
size_item 67 sizes 68
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 72 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 74 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
atom 36 factor 75 postfix 44 power 45
atom 36 factor 76 postfix 44 power 45
-
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 78 exprs 79 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum
  46 term 47
-
-
comparator 87
-
-
-
atom 36 chain 37 comparison 38 factor 40 not_test 89 postfix 44 power 45 sum 46 term 47
-
-
-
-
comparator 96
-
-
-
-
-
-
-
shape 107
-
-
shape 109
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 113 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
-
shape 115
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
and_test 35 argument 123 argument_list 124 arguments 125 atom 36 chain 37 comparison 38 expr 126 factor 40 not_test
  42 or_test 43 postfix 44 power 45 sum 46 term 47
-
-
atom 36 chain 37 comparison 38 factor 40 not_test 129 postfix 44 power 45 sum 46 term 47
-
-
-
-
-
-
atom 36 factor 40 postfix 44 power 45 sum 130 term 47
stage 132
-
and_test 133 atom 36 chain 37 comparison 38 factor 40 not_test 42 postfix 44 power 45 sum 46 term 47
atom 36 factor 134 postfix 44 power 45
-
and_test 35 atom 36 chain 37 comparison 38 expr 136 factor 40 item 137 items 138 not_test 42 or_test 43 postfix 44
  power 45 start 139 sum 46 term 47
atom 36 factor 40 postfix 44 power 45 term 140
atom 36 factor 40 postfix 44 power 45 term 141
atom 36 factor 40 postfix 44 power 45 sum 142 term 47
atom 36 factor 143 postfix 44 power 45
atom 36 factor 144 postfix 44 power 45
atom 36 factor 145 postfix 44 power 45
atom 36 factor 146 postfix 44 power 45
atom 36 factor 147 postfix 44 power 45
formal 149 formal_list 150 formals 151
names 152
and_test 35 atom 36 chain 37 comparison 38 expr 153 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
hyper_item 154
and_test 35 atom 36 chain 37 comparison 38 expr 78 exprs 155 factor 40 not_test 42 or_test 43 postfix 44 power 45
  sum 46 term 47
-
index_item 157
-
declared 158
stage 159
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 160 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
and_test 35 atom 36 chain 37 comparison 38 expr 164 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
size_item 165
formal 149 formal_list 150 formals 166
and_test 35 atom 36 chain 37 comparison 38 expr 167 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
and_test 35 atom 36 chain 37 comparison 38 expr 78 exprs 168 factor 40 not_test 42 or_test 43 postfix 44 power 45
  sum 46 term 47
-
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 173 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
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
atom 36 factor 40 postfix 44 power 45 sum 183 term 47
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 184 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
draw 186
-
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 190 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
and_test 35 argument 191 atom 36 chain 37 comparison 38 expr 126 factor 40 not_test 42 or_test 43 postfix 44 power
  45 sum 46 term 47
-
-
-
and_test 35 argument 123 argument_list 124 arguments 192 atom 36 chain 37 comparison 38 expr 126 factor 40 not_test
  42 or_test 43 postfix 44 power 45 sum 46 term 47
and_test 35 atom 36 chain 37 comparison 38 expr 136 factor 40 item 194 not_test 42 or_test 43 postfix 44 power 45
  start 139 sum 46 term 47
-
and_test 35 atom 36 chain 37 comparison 38 expr 195 factor 40 not_test 42 or_test 43 postfix 44 power 45 stop 196
  sum 46 term 47
and_test 35 atom 36 chain 37 comparison 38 expr 197 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
formal 198
-
and_test 35 atom 36 chain 37 comparison 38 expr 173 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
-
-
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 173 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
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
and_test 35 atom 36 chain 37 comparison 38 expr 209 factor 40 not_test 42 or_test 43 postfix 44 power 45 sum 46 term
  47
-
-
and_test 35 argument 123 argument_list 124 arguments 210 atom 36 chain 37 comparison 38 expr 126 factor 40 not_test
  42 or_test 43 postfix 44 power 45 sum 46 term 47
-
-
-
-
and_test 35 atom 36 chain 37 comparison 38 expr 195 factor 40 not_test 42 or_test 43 postfix 44 power 45 stop 212
  sum 46 term 47
-
-
-
-
-
-
-
-"""
