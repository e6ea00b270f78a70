"""The marks that languages leave in their text, one pattern a line; data for `evals.languages`."""

from __future__ import annotations

# A group of patterns counts once, however often and however many of them match: language, weight, patterns.
MARKS: list[tuple[str, float, list[str]]] = [
    ("python", 2.0, [r"^[ \t]*def[ \t]+\w+[ \t]*\([^{};\n]*:[ \t]*$", r"^[ \t]*for[ \t]+\w+[ \t]+in[ \t]+range\("]),
    ("python", 1.5, [r"^def[ \t]+\w+[ \t]*\([^{};\n]*\)[ \t]*\n[ \t]+\w"]),
    ("c#", 2.0, [r"\b(?:List|IEnumerable)<[\w<>]+>[ \t]+\w+[ \t]*=[ \t]*new\b", r"\.(?:Where|Select|OrderBy)\(\w+ =>"]),
    (
        "python",
        2.0,
        [
            r"^[ \t]*(?:async[ \t]+)?def[ \t]+\w+[ \t]*\([^{};]*\)[ \t]*(?:->[^:{]+)?:",
        ],
    ),
    (
        "python",
        2.0,
        [
            r"^[ \t]*class[ \t]+\w+[ \t]*(?:\([^)]*\))?:",
        ],
    ),
    (
        "python",
        2.0,
        [
            r"^[ \t]*(?:elif\b[^{};]*:|except\b[^{;]*:|else:[ \t]*$|try:[ \t]*$|finally:[ \t]*$)",
        ],
    ),
    (
        "python",
        1.5,
        [
            r"^[ \t]*(?:if|while)\b[^{};?]*[^\s{};?]:[ \t]*(?:#.*)?$",
        ],
    ),
    (
        "python",
        1.5,
        [
            r"^[ \t]*for[ \t]+\w+(?:,[ \t]*\w+)*[ \t]+in\b[^{};]*:[ \t]*(?:#.*)?$",
        ],
    ),
    (
        "python",
        1.5,
        [
            r"^from[ \t]+[\w.]+[ \t]+import[ \t]",
        ],
    ),
    (
        "python",
        1.0,
        [
            r"^import[ \t]+\w+(?:\.\w+)*(?:[ \t]+as[ \t]+\w+)?[ \t]*$",
        ],
    ),
    (
        "python",
        1.5,
        [
            r"\bself\.\w+",
            r"__\w+__",
            r"\blambda[ \t]+\w+:",
            r"\bNone\b",
        ],
    ),
    (
        "python",
        1.0,
        [
            r"\[[^\[\]\n]+\bfor\b[^\[\]\n]+\bin\b[^\[\]\n]+\]",
        ],
    ),
    (
        "python",
        1.0,
        [
            r"""^[ \t]*print[ \t]*[("']""",
        ],
    ),
    (
        "javascript",
        2.5,
        [
            r"\bconsole\.(?:log|error|warn|table)\b",
            r"\bdocument\.\w+",
            r"\bwindow\.\w+",
            r"\bmodule\.exports\b",
        ],
    ),
    (
        "javascript",
        2.0,
        [
            (
                r"^[ \t]*(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?function\b\*?[ \t]*\w*[ \t]*\([^)$]*"
                r"\)[ \t\n]*\{"
            ),
        ],
    ),
    (
        "javascript",
        2.0,
        [
            r"^[ \t]*(?:export[ \t]+)?(?:const|let|var)[ \t]+[\w{\[][^:=\n]*=(?!=)",
        ],
    ),
    (
        "javascript",
        1.0,
        [
            r"^[ \t]*(?:let|var)[ \t]+\w+(?:[ \t]*,[ \t]*\w+)*[ \t]*;",
        ],
    ),
    (
        "javascript",
        1.0,
        [
            r"""[\w)][ \t]*=>[ \t]*[\w{(\[`"']""",
        ],
    ),
    (
        "javascript",
        1.5,
        [
            r"===",
            r"!==",
            r"\bnew (?:Promise|Map|Set|Date|Array|RegExp|Error|Vue)\b",
            r"\bfunction[ \t]*\([\w, ]*\)[ \t]*\{",
        ],
    ),
    (
        "javascript",
        2.0,
        [
            r"""\brequire\(['"]""",
            r"""^import\b[^;\n(]*\bfrom[ \t]+['"]""",
            r"""\$\(['"#]""",
            r"\bPromise\.",
            r"\bJSON\.(?:parse|stringify)\b",
        ],
    ),
    (
        "javascript",
        1.0,
        [
            r"`[^`\n]*\$\{",
            r"\.(?:forEach|addEventListener|innerHTML|querySelector|setState|toLowerCase|charAt|indexOf)\b",
        ],
    ),
    (
        "javascript",
        2.0,
        [
            (
                r"^[ \t]*(?:export[ \t]+)?(?:default[ \t]+)?class[ \t]+\w+[ \t]*(?:extends[ \t]+[\w.]+[ \t]*)?\{"
                r"\s*(?:constructor|render|static|state|get |\w+\([\w, ]*\)[ \t]*\{)"
            ),
        ],
    ),
    (
        "javascript",
        1.6,
        [
            r"\bMath\.(?:floor|max|min|round|random|pow|sqrt|PI)\b",
            r"\balert\(",
            r"^db\.\w+\.\w+\(",
        ],
    ),
    (
        "javascript",
        0.8,
        [
            r"\b(?:null|undefined|true|false)\b;?[ \t]*$",
            r"\btypeof\b",
            r"\.length\b",
            r"\bdo[ \t]*\{",
            r"\bfor[ \t]*\([ \t]*(?:let|var|const)\b",
        ],
    ),
    (
        "javascript",
        1.6,
        [
            r"^[ \t]*/[^/\n*](?:[^/\n\\]|\\.)*/[gimsuy]*;?[ \t]*$",
            r"\.(?:replace|match|split|test)\(/",
        ],
    ),
    (
        "javascript",
        1.7,
        [
            r"\bfor[ \t]*\([ \t]*(?:let|var|const)\b",
        ],
    ),
    (
        "typescript",
        4.5,
        [
            (
                r"^[ \t]*(?:export[ \t]+)?(?:interface[ \t]+\w+(?:<\w+>)?(?:[ \t]+extends[ \t]+\w+)?[ \t]*\{[^("
                r")]*?\w+\??:|type[ \t]+\w+(?:<\w+>)?[ \t]*=)"
            ),
        ],
    ),
    (
        "typescript",
        3.5,
        [
            r"\b(?:const|let|var)[ \t]+\w+[ \t]*:[ \t]*[\w<>\[\]{}| ]+=",
        ],
    ),
    (
        "typescript",
        3.5,
        [
            (
                r"\b(?:function[ \t]*\w*[ \t]*(?:<\w+>)?|constructor[ \t]*|=[ \t]*)\([^)]*\w\??[ \t]*:[ \t]*(?:string"
                r"|number|boolean|any|void|unknown|never|Array|Promise|[A-Z]\w*)"
            ),
        ],
    ),
    (
        "typescript",
        3.0,
        [
            r"\)[ \t]*:[ \t]*(?:string|number|boolean|any|void|unknown|never|Promise<[^>]*>)(?:\[\])*[ \t]*(?:\{|=>)",
        ],
    ),
    (
        "typescript",
        2.5,
        [
            r"^[ \t]*(?:private|public|protected|readonly)[ \t]+(?:readonly[ \t]+)?\w+\??:[ \t]*\w",
            r"""^import[ \t]*\{[^}]*\}[ \t]*from[ \t]*['"]@angular""",
            r"""^[ \t]*enum[ \t]+\w+[ \t]*\{[^;]*=[ \t]*['"]""",
        ],
    ),
    (
        "java",
        3.0,
        [
            r"\bSystem\.(?:out|err|in)\b",
            r"^import[ \t]+(?:static[ \t]+)?(?:java|javax|org|com)\.[\w.*]+;",
            r"\bpublic[ \t]+static[ \t]+void[ \t]+main\b",
        ],
    ),
    (
        "java",
        1.6,
        [
            r"^[ \t]*(?:@Override|package[ \t]+[\w.]+;)",
            (
                r"\b(?:ArrayList|HashMap|HashSet|LinkedList|Scanner|StringBuilder|Integer|Arrays|Collections"
                r"|BufferedReader)\b"
            ),
        ],
    ),
    (
        "java",
        2.2,
        [
            (
                r"\b(?:public|private|protected)[ \t]+(?:static[ \t]+)?(?:final[ \t]+)?(?:class|interface|abstract|enum"
                r"|void|int|String|boolean|double|float|long|char|List|Map|[A-Z]\w*)(?:<[\w, <>?]+>)?(?:\[\])*[ \t]+\w+"
            ),
        ],
    ),
    (
        "java",
        1.6,
        [
            r"^[ \t]*(?:final[ \t]+)?String(?:\[\])?[ \t]+\w+[ \t]*(?:=|;|,)",
            r"\bboolean\b[ \t]+\w+",
            r"\bnew[ \t]+(?:int|String|double|char)\[",
            r"\bthrows[ \t]+\w+",
        ],
    ),
    (
        "java",
        1.0,
        [
            r"\bfor[ \t]*\([ \t]*(?:int|String|char|double|[A-Z]\w*)[ \t]+\w+[ \t]*(?:=|:)",
            r"\bclass[ \t]+\w+[ \t]+(?:extends|implements)\b",
            r"\.(?:equals|length|charAt|println)\(",
        ],
    ),
    (
        "java",
        1.5,
        [
            r"\b(?:int|double|float|char|long)\[\][ \t]+\w+",
        ],
    ),
    (
        "java",
        1.2,
        [
            (
                r"^[ \t]*(?:class|interface)[ \t]+[A-Z]\w*[ \t]*\{\s*(?:(?:int|String|double|boolean|public|private"
                r"|static|void)\b)"
            ),
        ],
    ),
    (
        "c",
        3.0,
        [
            r"^[ \t]*#[ \t]*include[ \t]*<(?:std\w+|string|math|ctype|limits|time|unistd|pthread|sys/\w+)\.h>",
        ],
    ),
    (
        "c",
        2.0,
        [
            r"\b(?:printf|scanf|malloc|calloc|sizeof|strlen|strcpy|fprintf|fgets|free)[ \t]*\(",
        ],
    ),
    (
        "c",
        1.5,
        [
            r"^[ \t]*(?:typedef[ \t]+)?struct\b[^;{]*\{",
            r"\bchar[ \t]*\*",
            r"\bint[ \t]+\*",
            r"\bint[ \t]+main[ \t]*\(",
            r"\b(?:int|char|float|double)[ \t]+\w+\[\w*\]",
        ],
    ),
    (
        "c",
        1.2,
        [
            (
                r"^[ \t]*(?:static[ \t]+|unsigned[ \t]+|const[ \t]+)*(?:int|void|float|double|char|bool|long"
                r")[ \t]*\*?[ \t]*\w+[ \t]*\([^)]*\)[ \t\n]*\{"
            ),
            r"^[ \t]*#[ \t]*define\b",
        ],
    ),
    (
        "c",
        1.0,
        [
            r"^[ \t]*(?:int|float|double|char|long|unsigned)[ \t]+\w+[ \t]*(?:=[^;\n]*)?(?:,[^;\n]*)?;",
            r"\w->\w",
        ],
    ),
    (
        "c",
        1.1,
        [
            r"\b(?:if|while|for|switch)[ \t]*\([^)\n]*\)[ \t\n]*\{",
            r"\}[ \t]*else[ \t]*\{",
            r"\+\+",
            r"\bfor[ \t]*\([ \t]*int\b",
        ],
    ),
    (
        "c++",
        3.5,
        [
            r"\bstd::",
            r"\b(?:cout|cin|cerr)[ \t]*(?:<<|>>)",
            (
                r"^[ \t]*#[ \t]*include[ \t]*<(?:iostream|vector|string|map|algorithm|set|queue|stack|memory"
                r"|bits/stdc\+\+\.h|unordered_map|cmath|fstream)>"
            ),
            r"\busing[ \t]+namespace[ \t]+\w+;",
        ],
    ),
    (
        "c++",
        3.0,
        [
            r"\btemplate[ \t]*<",
            r"\bvector[ \t]*<",
            r"\bunordered_map[ \t]*<",
            r"\b\w+::\w+[ \t]*\([^)]*\)[ \t]*(?:const[ \t]*)?\{",
            r"\bnullptr\b",
            r"\bcout\b",
            r"\bpush_back\(",
        ],
    ),
    (
        "c++",
        2.2,
        [
            r"\b(?:public|private|protected):[ \t]*$",
            r"\b(?:string|auto|int|double)[ \t]*&[ \t]*\w+",
            r"\bvirtual[ \t]+\w+",
            r"\bauto[ \t]+\w+[ \t]*=",
            r"^[ \t]*(?:string|bool)[ \t]+\w+[ \t]*\([^)]*\)[ \t\n]*\{",
        ],
    ),
    (
        "c++",
        1.6,
        [
            r"^[ \t]*string[ \t]+\w+[ \t]*(?:=|;)",
            r"^[ \t]*class[ \t]+\w+[ \t]*(?::[ \t]*public[ \t]+\w+)?[ \t\n]*\{\s*(?:int|string|public:|private:)",
        ],
    ),
    (
        "c#",
        3.5,
        [
            r"^[ \t]*using[ \t]+(?:System|Microsoft|Unity\w*)[\w.]*;",
            r"\bConsole\.(?:Write|Read)(?:Line)?\b",
            r"^[ \t]*namespace[ \t]+[\w.]+[ \t\n]*[{;][^:]",
        ],
    ),
    (
        "c#",
        3.0,
        [
            r"\{[ \t]*get;",
            r"\bstatic[ \t]+void[ \t]+Main\b",
            r"\bforeach[ \t]*\([ \t]*(?:var|\w+)[ \t]+\w+[ \t]+in\b",
            r"\bpublic[ \t]+(?:static[ \t]+)?(?:string|bool|object|decimal)\b",
            r"\bfrom[ \t]+\w+[ \t]+in[ \t]+[\w.]+\s+(?:where|select|orderby|group|join)\b",
        ],
    ),
    (
        "c#",
        2.0,
        [
            r"\bList<(?:string|int|double|bool)>",
            r"\bDictionary<",
            r"\.(?:Where|Select|OrderBy|ToList|ToString|Length|ToArray|Count)\(",
            r"\bstring\[\]",
            r"\bnew[ \t]+(?:List|Dictionary)\b",
            r"\bstring\.(?:Join|IsNullOrEmpty|Format|Empty)\b",
        ],
    ),
    (
        "c#",
        1.4,
        [
            r"\b(?:string|bool)[ \t]+\w+[ \t]*=[^=]",
            r"\b(?:public|private)[ \t]+(?:static[ \t]+)?(?:int|void|double)[ \t]+[A-Z]\w*[ \t]*\(",
        ],
    ),
    (
        "go",
        3.5,
        [
            r"^package[ \t]+\w+[ \t]*$",
            r"^func[ \t]+(?:\([^):]*\)[ \t]*)?\w+\([^):]*\)[^{:>\n]*\{",
            r"\bfmt\.(?:Print|Sprint|Scan)\w*",
            r"^import[ \t]+\(",
        ],
    ),
    (
        "go",
        1.8,
        [
            r"\w[ \t]*:=[ \t]*\S",
            r"\bchan[ \t]+\w+",
            r"\bgo[ \t]+func\b",
            r"\bmake\((?:map|chan|\[\])",
            r"\bmap\[\w+\]\w+",
            r"\btype[ \t]+\w+[ \t]+(?:struct|interface)\b",
            r"\bdefer[ \t]",
        ],
    ),
    (
        "rust",
        3.5,
        [
            r"^[ \t]*(?:pub(?:\([a-z]+\))?[ \t]+)?(?:async[ \t]+)?fn[ \t]+\w+(?:<[^>]*>)?[ \t]*\(",
            r"\blet[ \t]+mut[ \t]",
            r"\bprintln!",
            r"\bvec!\[",
        ],
    ),
    (
        "rust",
        2.0,
        [
            r"^[ \t]*(?:use[ \t]+(?:std|crate)::|impl(?:<[^>]*>)?[ \t]+\w+|#\[derive|mod[ \t]+\w+;)",
            r"&mut[ \t]",
            r"&str\b",
            r"\bmatch[ \t]+[^{:\n]+\{",
            r"\.unwrap\(\)",
            r"\bOption<",
            r"\bi32\b",
            r"\bu\d\d\b",
            r"\bSome\(",
        ],
    ),
    (
        "sql",
        3.0,
        [
            (
                r'(?i:^[ \t(]*(?:select\b[\s\S]{1,2000}?\bfrom\b|insert[ \t]+into\b|update[ \t]+[\w.`"\[\]]+\s+set\b'
                r"|delete[ \t]+from\b|create[ \t]+(?:or[ \t]+replace[ \t]+)?(?:unique[ \t]+|temporary[ \t]+)?(?:table"
                r"|view|index|database|procedure|function|trigger)\b|alter[ \t]+table\b|drop[ \t]+(?:table|view"
                r"|database|index)\b|with[ \t]+\w+[ \t]+as[ \t]*\())"
            ),
        ],
    ),
    (
        "sql",
        1.4,
        [
            (
                r"\b(?:GROUP BY|ORDER BY|INNER JOIN|LEFT JOIN|VARCHAR|PRIMARY KEY|NOT NULL|FOREIGN KEY|TRUNCATE TABLE"
                r"|GRANT [A-Z]+|WHERE [\w.]+ ?(?:=|<|>|LIKE|IN|BETWEEN))"
            ),
            r"^[ \t]*(?:SELECT|DECLARE|BEGIN|SHOW|USE|GRANT)[ \t]",
        ],
    ),
    (
        "html",
        3.5,
        [
            r"(?i:<!doctype)",
            r"(?i:<html\b)",
            r"(?i:<\?xml\b)",
            (
                r"(?i:</(?:html|body|head|div|p|span|table|form|ul|ol|h[1-6]|a|button|svg|script|style|title|select|label"
                r"|nav|header|footer|section|article|video|audio|center|font|textarea|iframe|strong|b|i|em|td|tr|li)>)"
            ),
        ],
    ),
    (
        "html",
        2.5,
        [
            r"(?i:\A\s*<[a-z][a-z0-9]*(?:[ \t][^<>\n]{0,300})?/?>)",
        ],
    ),
    (
        "css",
        3.2,
        [
            (
                r"(?:^|\})[ \t]*[.#*@:A-Za-z][^{}();=\n]{0,200}\{\s*(?:/\*[^*]{0,200}\*/\s*"
                r")?-{0,2}[a-z][a-z-]{0,40}[ \t]*:[ \t]*[^;{}\n]{1,200}[;}\n]"
            ),
        ],
    ),
    (
        "css",
        3.0,
        [
            r"\A[.#]?[a-z][\w.# -]{0,80}\{\s*(?://[^\n]*|/\*[^*]{0,300}\*/)?\s*\}\Z",
        ],
    ),
    (
        "css",
        2.6,
        [
            (
                r"\b(?:font-(?:size|family|weight)|background(?:-color|-image)?|text-align|margin(?:-\w+)?|padding"
                r"""(?:-\w+)?|border(?:-\w+)?|color|display|flex-\w+|width|height|position|line-height)[ \t]*"""
                r""":[ \t]*[^;{}\n"']+;"""
            ),
            r"^@(?:media|keyframes|import|font-face)\b",
        ],
    ),
    (
        "shell",
        3.5,
        [
            r"\A#![ \t]*/(?:usr/)?(?:local/)?bin/(?:env[ \t]+)?(?:ba|z|k|da)?sh\b",
        ],
    ),
    (
        "shell",
        2.2,
        [
            (
                r"^[ \t]*(?:\$[ \t]+)?(?:sudo|apt(?:-get)?|cd|ls|mkdir|rm|cp|mv|chmod|chown|grep|awk|sed|find|cat|tar"
                r"|curl|wget|git|docker|kubectl|npm|pip3?|ssh|scp|head|tail|sort|uniq|wc|xargs|kill|ps|touch|df|du|ping"
                r"""|source|crontab|systemctl|zip|unzip|diff|tr|cut|rsync|whoami|pwd|man)(?:"""
                r"""[ \t]+(?:-{1,2}\w|[./~*$"'|{]"""
                r"|[\w-]+[ \t]*(?:$|[|>&./-]|-\w))|[ \t]*$|[ \t]*\|)"
            ),
        ],
    ),
    (
        "shell",
        2.2,
        [
            r"^[ \t]*(?:fi|done|esac)\b",
            r";[ \t]*then\b",
            r";[ \t]*do\b",
            r'\[\[?[ \t]+-?[\w"$][^\]\n]*[ \t]\]',
            r"\$\(\(",
            r"""^[ \t]*echo[ \t]+["'$\w-]""",
            r"^[ \t]*read[ \t]+-?\w+[ \t]*$",
            r"\$\{?\w+\}?[ \t]*\|",
            r"^[ \t]*export[ \t]+\w+=",
        ],
    ),
    (
        "shell",
        1.0,
        [
            r"\$\(\w+",
            r'"\$\w+"',
            r'^[ \t]*\w+=(?:\$|")[^;]*$',
            r"^[ \t]*for[ \t]+\w+[ \t]+in[ \t]+[^:\n]*$",
            r"\|[ \t]*(?:grep|awk|sed|wc|sort|head|xargs)\b",
        ],
    ),
    (
        "r",
        2.5,
        [
            r"^[ \t]*[\w.]+[ \t]*<-[ \t]*\S",
            r"\blibrary\(\w+\)",
            r"%>%",
            r"\bdata\.frame\(",
            r"\bggplot\(",
            r"%in%",
        ],
    ),
    (
        "r",
        1.0,
        [
            r"<-[ \t]*function[ \t]*\(",
            r'\bc\([\d"]',
            r"\bread\.csv\(",
            r"\bpaste0?\(",
        ],
    ),
    (
        "php",
        4.0,
        [
            r"<\?php",
            r"<\?=",
        ],
    ),
    (
        "php",
        2.6,
        [
            r"^[ \t]*\$\w+(?:\[[^\]]*\])*[ \t]*(?:=|\.=|\+\+|->)",
            r"\bfunction[ \t]+\w+[ \t]*\([^)]*\$\w+",
            r"\b(?:foreach|if|while|isset|empty|for)[ \t]*\([ \t]*!?\$\w+",
            r"->\w+\(",
            r"""^[ \t]*echo[ \t]+["'$][^\n]*;""",
            r"\b(?:mysqli?_\w+|array|str_replace|strrev|preg_\w+)\(",
        ],
    ),
    (
        "php",
        1.2,
        [
            r"\$this->",
            r"\$_(?:POST|GET|SESSION|SERVER)\b",
            r"\becho\b[^\n]*;",
            r"\$\w+[ \t]*=>[ \t]*",
            r"""['"]\w+['"][ \t]*=>""",
        ],
    ),
    (
        "ruby",
        2.5,
        [
            r"^[ \t]*puts\b",
            r"""^[ \t]*require(?:_relative)?[ \t]+['"]""",
            r"\.each(?:_with_index|_char|_slice)?[ \t]+do\b",
            r"\bdo[ \t]+\|[\w, ]+\|",
            r"\{[ \t]*\|[\w, ]+\|",
            r"\battr_(?:accessor|reader|writer)\b",
        ],
    ),
    (
        "ruby",
        2.0,
        [
            r"^[ \t]*def[ \t]+(?:self\.)?\w+[?!]?[ \t]*(?:\([^)]*\))?[ \t]*$",
            r"^[ \t]*(?:elsif|unless)\b",
            r"\.nil\?",
            r"^[ \t]*class[ \t]+[A-Z]\w*(?:[ \t]*<[ \t]*[A-Z][\w:]*)?[ \t]*$",
        ],
    ),
    (
        "ruby",
        1.2,
        [
            r"^[ \t]*end[ \t]*$",
            r"\.(?:select|map|inject|reject|reduce|times)[ \t]*(?:\{[ \t]*\||\(&:|do\b)",
            r"\bnil\b",
        ],
    ),
    (
        "swift",
        8.0,
        [
            r"^import[ \t]+(?:UIKit|SwiftUI|Foundation)\b",
        ],
    ),
    (
        "swift",
        3.2,
        [
            (
                r"^[ \t]*(?:(?:private|public|override|@\w+)[ \t]+)*func[ \t]+\w+(?:<\w+>)?\([^)]*:[^)]*"
                r"\)[ \t]*(?:->[ \t]*[^\n{]+)?\{"
            ),
            r"\bguard[ \t]+let\b",
            r"\bif[ \t]+let\b",
            r"\b(?:let|var)[ \t]+\w+[ \t]*:[ \t]*(?:\[?(?:String|Int|Double|Bool|Character)\b)",
        ],
    ),
    (
        "swift",
        2.0,
        [
            r"^[ \t]*func[ \t]+\w+\(\)[ \t]*(?:->[ \t]*[\w\[\]?]+[ \t]*)?\{",
            r"\\\(\w+\)",
            r"^[ \t]*let[ \t]+\w+[ \t]*=[ \t]*[^;\n]+\n[\s\S]*\bprint\(",
        ],
    ),
    (
        "kotlin",
        3.4,
        [
            r"^[ \t]*(?:(?:private|public|override|suspend|inline)[ \t]+)*fun[ \t]+(?:<\w+>[ \t]*)?[\w.]+[ \t]*\(",
            r"\bval[ \t]+\w+[ \t]*(?::[^=\n]+)?=",
            r"\bdata[ \t]+class\b",
        ],
    ),
    (
        "perl",
        3.0,
        [
            r"\A#!.*perl\b",
            r"^[ \t]*my[ \t]+[$@%(]",
            r"^use[ \t]+(?:strict|warnings);",
        ],
    ),
    (
        "perl",
        2.0,
        [
            r"^[ \t]*sub[ \t]+\w+[ \t]*\n?\{",
            r"=~",
            r"\b(?:shift|chomp)\b[^\n]*;",
        ],
    ),
    (
        "other",
        4.5,
        [
            r"^[ \t]*(?:End[ \t]+(?:Sub|Function|Module|If)|Dim[ \t]+\w+[ \t]+As\b)",
            r"^@(?:interface|implementation)\b",
            r"\bNSString\b",
        ],
    ),
    (
        "yaml",
        3.0,
        [
            r"\A(?:---[ \t]*\n|(?:#[^\n]*\n)*[\w-]+:[ \t]*\n[ \t]*(?:- |\w[\w-]*:[ \t]))",
        ],
    ),
]
