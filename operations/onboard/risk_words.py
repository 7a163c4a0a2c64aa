"""The words by which `operations.onboard.risk` judges a tool's name, parameters and text.

English that tools of real servers use. A word in no set says nothing: what stands on unknown words alone is `unknown`.
"""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that run something wherever they stand in a name.
EXECUTE = _set(
    "exec execute executes eval evaluate shell bash sh zsh cmd command commands powershell terminal script scripts "
    "sql subprocess spawn sudo argv repl interpreter"
)
#: Of those, the ones that a reading verb can have as its object ("list_scripts", "get_command_help").
EXECUTE_OBJECTS = _set("eval command commands terminal shell script scripts sql repl cmd")
#: Words that run something when they lead.
EXECUTE_FIRST = _set("run rerun python javascript invoke")
EXECUTE_EXACT = _set("code source_code program expression")
#: A parameter that ends so names or describes what is run, and does not carry it ("script_id", "shell_type").
REFERENCES = _set("id ids uuid name names type types version versions language lang dialect count timeout status title")

#: Verbs that only read, whatever follows them.
READ = _set(
    "get extract expand ps whois nslookup wait crawl scrape research list search read fetch describe find show view "
    "lookup count check query inspect diagnose browse summarize summarise explain preview diff compare validate verify "
    "whoami ping echo help explore retrieve scan analyze analyse calculate compute convert translate look peek "
    "filter aggregate identify discover detect estimate forecast geocode locate recommend suggest rank rerank score "
    "classify tokenize lint parse decode encode hash observe cat ls grep stat tail hget hgetall hexists hkeys hvals "
    "hlen hmget mget getrange smembers sismember scard lrange llen lindex zrange zrevrange zrangebyscore zscore "
    "zcard zrank xrange xrevrange xlen dbsize strlen exists pttl ttl"
)
#: Verbs that answer from what they are given: the text in their parameters is for reading, not for storing.
COMPUTE = _set(
    "extract validate verify analyze analyse calculate compute convert translate summarize summarise explain "
    "compare diff tokenize lint parse decode encode hash classify rank rerank score estimate detect identify echo "
    "preview count inspect check recommend suggest"
)
#: Verbs that look through many: a state among their parameters is a filter.
LISTING = _set("list search find query count filter browse aggregate scan explore discover lookup")
#: Verbs that read one thing or a set of things; the same holds where what they read is plural.
GETTING = _set("get fetch retrieve read show view describe check")
#: Nouns that stand for many.
MANY = _set("list count history summary report stats statistics feed all activity timeline overview data")
#: Readers that are nouns too, so that an unknown word before them at the end may be the verb ("promote_view").
READ_NOUNS = _set(
    "list view query check status info information details detail stats statistics history count diff help preview "
    "report echo scan compare rank score hash filter log logs tree schema schemas version versions messages "
    "requests children metadata summary usage metrics health overview documentation docs reference readme "
    "capabilities indexes blame size indices stat state context catalog directory elevation directions weather "
    "matrix balance transactions latest"
)
#: Readers that lead and are nouns as well: a verb that follows at once is then the verb ("status_set", "list_archive").
LEADING_NOUNS = _set("list view query check scan search preview filter count diff help rank score hash stat tail")
#: Nouns and adjectives before a reading noun that change nothing about it ("git_log", "directory_tree").
NOUNS = _set(
    "api a an the my all git svn hg github gitlab jira confluence slack notion browser page tab tabs console "
    "network dom screen window element directory dir folder file files path project projects repo repository branch "
    "tag tags commit issue issues pull mr pr merge user users account accounts team teams org organization server "
    "servers system service services host cluster clusters node nodes pod pods container containers image images "
    "volume volumes database databases db table tables column columns index indexes collection collections schema "
    "key keys record records row rows document documents sheet sheets message messages channel channels thread "
    "event events calendar task tasks job jobs pipeline pipelines workflow workflows build builds run runs test "
    "tests log logs error errors web semantic full text code symbol symbols package packages library module model "
    "models agent agents session sessions tool tools resource resources storage metric metrics customer customers "
    "order orders product products invoice invoices payment payments price market weather map maps place places "
    "route location geo news video audio photo media local global current latest recent active open public private "
    "remote detailed quick advanced deep app apps application device devices domain domains dns zone certificate "
    "policy policies region regions plan plans board boards card cards member members group groups role roles "
    "client connection paper papers article articles citation graph data stats view entity entities relation "
    "relations memory knowledge bucket object objects redis mongodb mysql postgres sqlite kubectl docker k8s aws "
    "gcp azure wiki space spaces attachment attachments website url link links sitemap config configuration "
    "settings options version env time timezone date process processes port ports queue topic topics cache kernel "
    "notebook cell cells form forms slide deployment deployments release releases discussion discussions note notes "
    "comment comments label labels alert alerts dashboard dashboards incident incidents trace traces span spans"
)
#: Words for what a person sees, of which a snapshot or screenshot is a look.
SCREEN = _set("browser page tab screen dom element window accessibility a11y viewport desktop ui mobile app full")

#: Words that write wherever they stand ("search_and_replace").
WRITE = _set(
    "create add insert update upsert edit modify replace write save delete remove drop purge clear destroy erase "
    "move rename upload send publish unpublish assign unassign approve reject revoke rotate enable disable install "
    "uninstall deploy undeploy redeploy restart reboot kill overwrite truncate rollback del unlink mkdir rmdir "
    "chmod chown wipe reindex provision deprovision decommission terminate append prepend"
)
#: Words that write when they lead ("close_ticket") and describe when they follow ("list_open_tickets", "get_commit").
WRITE_FIRST = WRITE | _set(
    "set put protect unprotect post open close start stop mark make generate schedule book order reply comment "
    "import export sync lock unlock apply register deregister login logout click type navigate fill press drag drop "
    "tap swipe scroll hover select choose change connect disconnect reconnect share unshare pin unpin label tag "
    "untag block unblock link merge fork commit push pull reset trigger toggle copy clone archive unarchive cancel "
    "submit subscribe unsubscribe transfer pay invite reinvite grant patch resolve unresolve reopen dismiss "
    "acknowledge ack escalate snooze mute unmute follow unfollow star unstar like unlike vote upvote downvote react "
    "rate review accept decline deny confirm complete finish activate deactivate suspend resume pause unpause "
    "restore recover retry requeue enqueue dequeue queue flush expire extend renew attach detach mount unmount bind "
    "unbind join leave enter exit launch boot shutdown power scale resize rebuild refresh reload reconcile migrate "
    "promote demote upgrade downgrade downscale bump checkout rebase cherry stash squash revert undo redo reorder "
    "sort swap split combine duplicate rewrite refactor format reformat autofix fix draw paint compose record print "
    "plot simulate play seed train finetune download notify alert broadcast announce tweet retweet message dm email "
    "mail call dial sms forward buy sell trade bid place purchase refund charge void withdraw deposit mint burn "
    "stake unstake bridge sign approve authorize authenticate authorise impersonate allocate deallocate reserve "
    "release claim free acquire ban unban kick warn flag unflag moderate ingest embed remember forget store "
    "memorize learn track untrack watch unwatch bookmark favorite unfavorite favourite pick drain cordon uncordon "
    "taint evict expose emit dispatch produce consume sadd srem hset hdel hmset lpush rpush lpop rpop lset ltrim "
    "zadd zrem zincrby xadd xdel incr decr incrby decrby setex getset getdel persist rename touch initialize "
    "initialise init setup configure bootstrap scaffold unzip zip compress decompress encrypt decrypt rotate manage "
    "cleanup clean prune backup vacuum optimize optimise compact defragment failover switch turn raise lower "
    "increase decrease adjust nudge invalidate warm stage unstage tidy attachto wake sleep hibernate eject enroll "
    "unenroll onboard offboard hire fire terminate admit discharge prescribe dispense amend increment decrement quarantine"
)
#: Verbs that say too little: neither proof of reading nor of writing. The server's own hint settles them.
UNCLEAR = _set(
    "use load test process handle take capture monitor go do perform try call request ask talk chat think act "
    "interact work render sample access enhance improve report transform"
)
#: What a verb reads although it writes elsewhere: resolving a name to an id, opening nodes of a graph.
READ_WITH = {
    "resolve": _set(
        "id ids url urls uri path name names dns host hostname domain ip address handle alias ref reference references "
        "symbol symbols library dependency dependencies package packages import imports version redirect"
    ),
    "open": _set("nodes node entities"),
    "select": _set("query queries rows records data"),
    "post": _set("search query lookup"),
}
#: What a verb writes although it reads elsewhere.
WRITE_WITH = {
    "check": _set("in out off box checkbox"),
    "verify": _set("email user domain phone account payment code otp identity sender customer member device"),
    "convert": _set("pdf docx xlsx pptx png jpg jpeg mp3 mp4 wav zip lead"),
    "extract": _set("archive archives zip tar gz tarball frames"),
    "show": _set("notification dialog alert toast popup modal banner hide"),
    "fetch": _set("git origin upstream"),
    "expand": _set("cluster volume disk storage pool partition filesystem"),
    "echo": _set("file"),
    "read": _set("later"),
    "identify": _set("user customer"),
}
#: Verbs that are no thing's name, so that a reading word before them only says on what they act ("index_rebuild").
ENDINGS = _set(
    "merge rebuild reset toggle apply click increment decrement submit start stop subscribe unsubscribe activate "
    "deactivate attach detach quarantine reload refresh flush"
)
#: Words that join a second verb to a reading one ("get_or_create").
JOINTS = _set("and or then")

#: A parameter of these words writes, whatever its type.
WRITE_PARAMETERS = _set("overwrite upsert truncate payload recipients")
#: A parameter that begins with these writes, unless it names a time, or what is left out of an answer.
WRITE_PARAMETER_VERBS = _set("delete remove update write patch set new save publish")
#: As a boolean these are options of an answer ("remove_images", "update_history").
ANSWER_OPTIONS = _set("remove update patch set new")
NOT_WRITTEN = _set(
    "time since at date after before frequency interval id only first selectors elements images words stopwords "
    "whitespace html ads duplicates markup links tags scripts styles headers footers mode"
)
WRITE_EXACT = _set(
    "content contents body data destination new_name new_value edits updates changes commit_message delete remove "
    "write save"
)
#: A place on the host where an answer is written to.
OUTPUT_FIRST = _set("output save dest destination export download local target")
OUTPUT_LAST = _set("path file filename dir directory folder to filepath")
#: Parameters that set a state where a tool acts on one thing, and filter where it lists many.
STATES = _set(
    "resolved unresolved archived enabled disabled completed closed locked muted pinned starred approved published "
    "done checked paused favorite favorited subscribed assigned accepted dismissed acknowledged suspended activated "
    "verified"
)
STATE_CHOICES = _set("state status visibility")
ACTIONS = _set("action actions operation operations op subcommand sub_command mode method verb")

#: Reading these hands out credentials for other systems ("get-env"): never granted without a person's decision.
SENSITIVE = _set(
    "env secret secrets credential credentials password passwords passwd apikey apikeys privatekey keychain cookie "
    "cookies kubeconfig dotenv totp keystore passphrase passphrases"
)
#: "token" is a secret beside these, or as the very thing that is read; a design token or one of a language model is not.
AUTHENTICATION = _set("access api auth oauth refresh bearer session personal deploy runner service bot id jwt user")
#: Variables beside these hold what pipelines and programs sign in with.
VARIABLE_HOLDERS = _set("environment env ci cd pipeline project group config instance")
KUBERNETES = _set("kubectl kubernetes k8s openshift oc")
KIND_PARAMETERS = _set("resourcetype resource_type kind resource_kind")

#: Words in a name or parameter of a tool that reaches hosts outside, whatever its hint says.
OUTBOUND = _set(
    "url urls uri webhook http https email mail send post publish upload share fetch download browse navigate host "
    "hostname endpoint domain recipient recipients notify sms slack export push sync callback website web crawl "
    "scrape internet online browser remote tweet"
)
#: The same in its description.
OUTBOUND_TEXT = _set(
    "web internet http https url urls website websites webhook webpage online email emails browser crawl crawls "
    "scrape scrapes third-party external upload uploads publish publishes"
)
#: Parameters of a tool that works on files of its own host and on nothing else.
LOCAL_FILE = _set(
    "path paths file files file_path filepath file_paths filename directory dir folder source destination "
    "source_path destination_path content contents edits old_text new_text old_string new_string dry_run encoding "
    "mode append create_dirs old_path new_path recursive overwrite offset length line lines insert_line replace_all"
)
FILE_WORDS = _set("file files document text contents content")
#: Verbs that read what is in a file, and not only of which kind it is.
READ_CONTENTS = _set("read cat view open get fetch")
#: A parameter that takes a command of the host.
COMMANDS = _set("command cmd shell_command command_line argv bash")
#: A parameter that takes a whole statement, where a description speaks of a language that can write.
QUERIES = _set("query statement statements queries")
QUERY_LANGUAGES = _set("sql cypher aql sparql surrealql mysql postgres postgresql sqlite")
READ_QUERIES = _set("readonly select search read explain describe")
#: Verbs that are more often things: they count as verbs only beside these.
VERBS_WITH = {
    "place": _set("order orders bid bet call trade hold"),
    "forward": _set("email emails message messages mail call webhook request"),
    "map": frozenset[str](),
    "form": frozenset[str](),
}
#: Programs that keep secrets: what their tools read without naming a thing, or as an item, is one.
SECRET_KEEPERS = _set(
    "bitwarden vaultwarden onepassword lastpass keepass keepassxc dashlane doppler infisical passbolt"
)
SECRET_ITEMS = _set("item items login logins secret secrets note notes object objects entry entries field fields")
ABOUT_FILES = _set("info metadata stat stats size sizes permissions exists hash list type")
KEY_HOLDERS = _set("api private ssh access signing encryption license")
