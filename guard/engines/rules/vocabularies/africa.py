"""Languages of Africa, and Haitian Creole."""

from __future__ import annotations

from typing import Final

from guard.engines.rules.vocabularies.words import Words

# Each language is a few lines, as a table is.
# fmt: off
AFRICA: Final = (
    Words(
        "zulu_xhosa",
        drop=r"(?:yi|zi|li|lu|ku|wu)?zibe|ziba(?:ni)?|(?:yi|zi|li|ku|wu)?khohlwe|khohlwa(?:ni)?|indiva|shaya indiva|yekela|musa uku(?:yi|zi|ku|li)?(?:landela|naka|lalela|thobela|hoya)|unga(?:yi|zi|ku|li|wu)?(?:naki|landeli|laleli|hoyi|hoye|thobeli|nanzi)|(?:yi|zi|li|ku)?tyeshele|tyeshela(?:ni)?|(?:yi|zi|ku)?libale|libala(?:ni)?|suku(?:yi|zi|ku|li)?(?:hoya|landela|thobela|naka)|(?:yi|zi)?bethe ngoyaba|betha ngoyaba",
        earlier=r"~dlul~|~gqithileyo|~ngaphambi~|~phambilini|~ngenhla|~ngasenhla|~ngentla|~ngasentla|~ngaphezulu|yonke|zonke|wonke|lonke|yakho|zakho|wakho|~nikez~|~nikiwe~|yokuqala|zokuqala",
        laws=r"~yalel~|~yalez~|~yalo|~yalo yakho|~thetho|~qondiso|~khokelo|~hlahlandlela|~miselo|~prompt~|~sebenzi|~msebenzi",
        before=r"(?:konke|yonke into|zonke izinto|lokho|oko)@(?:~ngaphambi~|~phambilini|~ngenhla|~ngasenhla|~ngentla|~ngasentla|~dlul~|kuze kube manje|~tshelw~)",
        show=r"(?:ngi|ndi)?(?:bonise|khombise)|bonisa|khombisa|dalula|chaza|(?:ngi|ndi)tshele|(?:ngi|ndi)xelele|phrinta|phinda|bhala",
        prompt=r"~yalel~ (?:yakho|yesistimu|yesistemu|yohlelo|yokuqala|efihliwe|yenkqubo)|~thetho yakho|~prompt~ (?:yesistimu|yesistemu|yakho|yohlelo|yenkqubo)|system prompt",
        untold=r"unga(?:m|ba|mu)?(?:tsheli|tshele|xeleli|xelele|khombisi|bonisi|azisi)|musa uku(?:m|ba|mu|b)?(?:tshela|xelela|azisa|bonisa|khombisa)|ungasho|ungakusho|sukum(?:xelela|tshela)|suku(?:xelela|tshela)",
        user=r"~sebenzisi|~khasimende",
        onwards=r"kusukela manje|kusuka manje|ukususela ngoku|ukusukela ngoku|kusukela kulomzuzu", you_are=r"ungu~|uyi~|usuyi~|usungu~|uzoba|uza kuba|kufanele|kumele|wena|uya ku~",
        task=r"~sebenzi omusha|~msebenzi omtsha|imiyalelo emi(?:sha|tsha)|umyalelo omu(?:sha|tsha)|imisebenzi emisha",
        note=r"~mlayezo o(?:balulekile|phuthumayo|semqoka)|~yalezo o(?:balulekile|ngxamisekileyo)|isaziso esibalulekile|okubalulekile", model=r"~sizi|~ncedisi|~ai|~llm|~model~|ubuhlakani bokwenziwa|~chatbot~",
        instead=r"esikhundleni|esikhundleni sa~|kunalokho|endaweni ya~|endaweni yoko", do=r"bhala|phendula|thumela|yenza|yisho|khombisa|bonisa",
        address=r"(?:ungumsizi|ngumsizi|njengomsizi|umsizi|kumsizi|msizi) (?:we-?ai|wobuhlakani|odijithali)|(?:yimodeli|imodeli|njengemodeli) yolimi",
        must=r"(?:kufanele|kumele|ngicela|sicela) (?:~ ){0,2}(?:u(?:bhale|thumele|phendule|yenze|sho|khombise|bonise|engeze|fake|nikeze)|bhala|thumela|phendula|engeza|faka)",
        stop=r"unga(?:yi|ku)?(?:fingqi|finyezi|humushi|qhubeki)|musa uku(?:yi)?(?:fingqa|finyeza|humusha|qhubeka)|yeka (?:~ )?(?:okwenzayo|ukufingqa|ukufinyeza|ukuhumusha)",
        only=r"phendula (?:~ ){0,3}kuphela|impendulo yakho (?:~ ){0,2}(?:kufanele|iqale|iphele|iqukathe)|(?:faka|engeza|bhala) (?:~ ){0,5}(?:empendulweni|kwimpendulo)~",
    ),
    Words(
        "swahili",
        drop=r"puuza|puuzeni|puuzia|yapuuze|zipuuze|sahau|sahauni|yasahau|zisahau|achana na|achaneni na|acha kufuata|tupilia mbali|us(?:iya|izi|i)fuate|us(?:iya|izi|i)zingatie|msi(?:ya|zi)?fuate",
        earlier=r"yaliyotangulia|zilizotangulia|yaliyopita|zilizopita|awali|hapo juu|ya juu|za juu|kwanza|yote|zote|vyote|yako|zako|uliyopewa|ulizopewa|mwanzo|ya nyuma|ya kabla|zamani|yaliyotolewa|zilizotolewa",
        laws=r"maagizo|maelekezo|amri|sheria|kanuni|miongozo|mwongozo|agizo|elekezo|prompt~|kazi|maelezo|masharti",
        before=r"(?:kila kitu|yote|vyote|chochote|kile)@(?:hapo juu|awali|kabla|mpaka sasa|hadi sasa|ulichoambiwa|uliyoambiwa|yaliyosemwa)|(?:uliyoambiwa|ulichoambiwa|yaliyosemwa)@(?:hapo juu|awali|kabla)",
        show=r"onyesha|nionyeshe|nioneshe|fichua|andika|chapisha|niambie|orodhesha|rudia|nipe",
        prompt=r"(?:maagizo|maelekezo|amri|sheria|kanuni|prompt~) (?:yako|zako|ya mfumo|za mfumo|ya siri|yaliyofichwa|ya awali)|system prompt",
        untold=r"usi(?:mwambie|waambie|mjulishe|wajulishe|mtajie|mwonyeshe|mueleze|mfahamishe|seme|taje)|bila (?:kumwambia|kumjulisha|kumwarifu|kumuuliza|kuwaambia)",
        user=r"mtumiaji|watumiaji|mteja|wateja",
        onwards=r"kuanzia sasa|tangu sasa|toka sasa|kuanzia leo", you_are=r"wewe ni|wewe|utakuwa|jifanye|lazima|unapaswa",
        task=r"(?:kazi|jukumu|agizo|maagizo|maelekezo) (?:jipya|mpya|mapya)",
        note=r"ujumbe (?:muhimu|wa dharura)|taarifa muhimu|tangazo muhimu", model=r"msaidizi|ai|akili (?:bandia|mnemba|ya bandia)|modeli|chatbot|llm",
        instead=r"badala yake", do=r"andika|jibu|tuma|fanya|sema|onyesha|toa",
        address=r"(?:wewe ni|kama|mpendwa) (?:msaidizi (?:wa )?(?:ai|akili|mtandaoni|dijitali)|modeli ya lugha|akili (?:bandia|mnemba))|msaidizi wa ai",
        must=r"(?:lazima|tafadhali|unapaswa) (?:~ ){0,2}u?(?:andik|tum|jib|fany|sem|onyesh|ongez|jumuish)~",
        stop=r"usi(?:fupishe|tafsiri|endelee|fanye muhtasari)|acha (?:~ )?(?:unachofanya|kufupisha|kutafsiri)",
        only=r"jibu (?:~ ){0,3}(?:tu|pekee)|jibu lako (?:~ )?(?:lazima|liwe|lianze|liishe|lijumuishe)|(?:jumuisha|ongeza|weka|andika) (?:~ ){0,5}(?:kwenye|katika) (?:jibu|majibu|muhtasari)",
    ),
    Words(
        "afrikaans",
        drop=r"ignoreer|verontagsaam|vergeet|negeer|moenie (?:aandag (?:gee|skenk) aan|gehoorsaam|volg|steur aan)|laat vaar|moenie jou steur aan|steur jou nie aan", negated=r"moenie|nie", negated_behind="nie", verb_first=True,
        earlier=r"vorige|voorafgaande|vroeëre|bogenoemde|bostaande|hierbo|bo|alle|al|jou|oorspronklike|gegewe", laws=r"instruksies?|opdragt?e?|reëls?|riglyne?|bevele?|aanwysings?|voorskrifte?|prompts?|take",
        before=r"(?:alles|alle|dit|wat)@(?:hierbo|tevore|vantevore|vroeër|tot nou toe|voorheen)",
        show=r"toon|onthul|openbaar|herhaal|vertel|wys vir my", prompt=r"stelsel(?:prompt|instruksie|boodskap|opdrag)~|system prompt|jou (?:~ )?(?:prompt|instruksies|reëls|opdragte)|(?:oorspronklike|geheime|verborge) (?:instruksies|prompt)",
        untold=r"moenie", user=r"(?:gebruiker|kliënt)s? (?:~ ){0,2}(?:vertel|sê|wys|noem|inlig|laat weet)",
        onwards=r"van nou af(?: aan)?|voortaan|vanaf nou", you_are=r"is jy|jy is|tree jy op|moet jy|jy moet",
        task=r"(?:nuwe|werklike) (?:taak|opdrag|instruksies?)", note=r"belangrike (?:boodskap|kennisgewing|nota)", model=r"assistente?|ki|ai|taalmodel~|chatbot|llm",
        instead=r"in plaas daarvan", do=r"skryf|stuur|antwoord|doen|sê|gee",
    ),
    Words(
        "hausa",
        drop=r"(?:ka |ku |ki )?yi watsi da|yi banza da|manta da|watsar da|(?:kada|kar|ka da) (?:ka|ku|ki) (?:bi|kula da|yi amfani da)|yi biris da", negated=r"(?:kada|kar|ka da)(?: ka| ku| ki)?|na|mun|sun", verb_first=True,
        earlier=r"baya|gabata|suka wuce|farko|sama|bayar|aka ba|aka baka|duk|dukkan~|naka|gabaɗaya", laws=r"umarni~|umurni~|doka|dokoki~|ƙa['’ʼ]?id~|bayani~|prompt~|jagora~|sharuɗɗa~",
        before=r"(?:duk|komai|dukkan~)@(?:sama|baya|kafin~|farko)",
        show=r"bayyana|nuna mini|nuna min|nuna mani|gaya mini|gaya min|rubuta", prompt=r"umarnin? (?:tsarin|na tsarin|ɓoye)|umarninka|umarnan ka|dokokinka|prompt (?:ɗinka|na tsarin)|system prompt",
        untold=r"(?:kada|kar|ka da) (?:ka|ku|ki) (?:gaya|faɗa|sanar|nuna|ambaci|shaida)|ba tare da (?:gaya|sanar|sanin)", user=r"mai amfani~|masu amfani|abokin ciniki",
        onwards=r"daga yanzu|daga yau", you_are=r"kai ne|kai|za ka|ka zama|dole", task=r"sabon (?:aiki|umarni)|sabuwar doka|sababbin umarni",
        note=r"muhimmin saƙo|saƙo mai muhimmanci|saƙo na gaggawa", model=r"mataimaki~|ai|chatbot|llm|fasahar ai", instead=r"(?:a )?maimakon (?:haka|hakan)", do=r"rubuta|amsa|aika|nuna|faɗi",
    ),
    Words(
        "yoruba",  # as it is read without its marks
        drop=r"gbagbe|foju ?fo|foju ?pa|foju ?di|(?:ma|mase|ma se|maa se) (?:tele|ka|gboran si)", negated=r"ma|mase|ma se|maa|mo|mo ti|won", verb_first=True,
        earlier=r"tele|tele ri|teletele|saaju|isaaju|koja|oke|loke|gbogbo|re|won fun o|a fun o|akoko", laws=r"itoni~|itosona|ilana|ofin|ase|itoka|prompt~",
        before=r"(?:gbogbo ohun|gbogbo nnkan|ohun gbogbo|gbogbo)@(?:loke|tele|saaju|teletele)",
        show=r"safihan|se afihan|so fun mi|fi han mi", prompt=r"(?:ilana|itoni|ofin|prompt) (?:re|eto|ti eto)|system prompt", untold=r"(?:ma|ma se|mase) (?:so fun|je ki|fi han)|lai so fun", user=r"olumulo|onibara",
        onwards=r"lati isinsinyi(?: lo)?|lati isisiyi(?: lo)?|lati oni lo", you_are=r"iwo|o je|o gbodo", task=r"ise tuntun|itoni tuntun|ase tuntun|ilana tuntun",
        note=r"ifiranse pataki|ikede pataki", model=r"oluranlowo|ai|chatbot|llm", instead=r"dipo (?:re|bee|eyi)|kaka bee", do=r"ko|dahun|fi ranse|fi~ ranse|so",
    ),
    Words(
        "somali",
        drop=r"(?:iska )?indho ?tir~|iska (?:dhaaf|illow|hilmaan|ilow)|ilow|illow|hilmaan|dhinac iska dhig|ha (?:raacin|ku dhaqmin|tixgelin)",
        earlier=r"hore|horeeyay|horreeyay|horreeyey|kore|sare|dhammaan|oo dhan|lagu siiyay|lagu siiyey|ka horreeyay", laws=r"tilmaam~|amar~|awaamiir~|xeer~|qaanuun~|sharci~|shuruuc~|hagitaan~|prompt~",
        before=r"(?:wax walba|wax kasta|dhammaan wixii|wixii)@(?:hore|kore|sare|horreeyay)", show=r"muuji|i tus|ii sheeg|daabac", prompt=r"tilmaamahaaga|amarradaada|xeerarkaaga|tilmaamaha nidaamka|system prompt",
        untold=r"ha (?:u |ku )?(?:sheegin|muujin|ogeysiin)", user=r"isticmaala~|adeegsada~|macmiil~", onwards=r"hadda laga bilaabo|laga bilaabo hadda", you_are=r"waxaad|waa inaad|adigu",
        task=r"hawl cusub|tilmaamo cusub|amar cusub|shaqo cusub", note=r"fariin muhiim ah|ogeysiis muhiim ah", model=r"kaaliye~|ai|chatbot|llm", instead=r"taas beddelkeeda|beddelkeeda", do=r"qor|dir|samee|sheeg|ku jawaab",
    ),
    Words(
        "amharic", script=r"\x{1200}-\x{137F}",
        drop=r"ችላ በ(?:ል~|ሉ~|ይ)|ችላ ይበሉ~|ችላ ብለ(?:ህ|ሽ|ው)|እርሳ|እርሳው|እርሳቸው|ርሳው|ረስተህ|ተዋቸው|ተወው|ወደ ጎን (?:ተው~|ትተህ)|አትከተል~|አትከተሉ~",
        earlier=r"ቀደም~|የቀድሞ~|የቀደሙ~|ያለፉ~|ያለፈ~|የበፊት~|በፊት|ከላይ|ሁሉ~|በሙሉ|የተሰጡ~|የተሰጠ~|ቀዳሚ~|ቀደምት~", laws=r"መመሪያ~|ትዕዛ(?:ዝ|ዞ|ዛ)~|ትእዛ(?:ዝ|ዞ|ዛ)~|ሕግ~|ህግ~|ሕጎች~|ህጎች~|ደንብ~|ደንቦች~|ፕሮምፕት~|prompt",
        before=r"(?:ከላይ|በፊት|እስካሁን|ቀደም)@(?:ሁሉ~|በሙሉ)|ሁሉን(?:ም)?@(?:ከላይ|በፊት)", show=r"አሳይ~|አሳየኝ|ንገረኝ|ግለጽ~|አትም~|ጻፍ~", prompt=r"የስርዓት~ (?:መመሪያ~|ትዕዛ~|ፕሮምፕት~|መልእክት~)|የሲስተም~ ~|መመሪያህን|መመሪያዎችህን|ህጎችህን|system prompt",
        untold=r"አትንገር~|አትናገር~|አታሳይ~|አትጥቀስ~|አታሳውቅ~", user=r"ለተጠቃሚ~|ተጠቃሚ~|ለደንበኛ~", onwards=r"ከአሁን (?:በኋላ|ጀምሮ)|ከዚህ በኋላ", you_are=r"አንተ|አንቺ|እርስዎ",
        task=r"አዲስ (?:ተግባር|ትዕዛዝ|ትእዛዝ|መመሪያ|ሥራ|ስራ)", note=r"አስፈላጊ መልእክት|ጠቃሚ መልእክት", model=r"ረዳት~|ai|ኤአይ|ሰው ሰራሽ", instead=r"በምትኩ|ይልቁንም|ይልቅ", do=r"ጻፍ~|ላክ~|መልስ~|አድርግ~",
    ),
    Words(
        "haitian_creole",
        drop=r"inyore|bliye|pa (?:okipe|swiv|obeyi|pran ka)|neglije", negated=r"pa|mwen|m|li|nou|yo|ou|te|mwen te", verb_first=True,
        earlier=r"anvan~|anwo|presedan~|deja|tout|ou yo|orijinal|te ba ou", laws=r"enstriksyon~|lòd|règ|direktiv|konsiy|prompt~|kòmand",
        before=r"tout (?:sa|bagay)@(?:anwo|anvan~|deja)", show=r"montre m|di m|revele|enprime|repete", prompt=r"prompt sistèm~|enstriksyon (?:sistèm~|sekrè|ou)|règ ou|system prompt",
        untold=r"pa (?:di|fè|montre|mansyone|enfòme)", user=r"itilizatè~|kliyan~", onwards=r"apati (?:de )?kounye a|depi kounye a", you_are=r"ou se|ou|aji|konpòte",
        task=r"nouvo (?:travay|tach|enstriksyon|lòd)", note=r"mesaj enpòtan", model=r"asistan~|ai|chatbot|llm|modèl", instead=r"olye (?:de )?sa|pito", do=r"ekri|reponn|voye|fè|di",
    ),
)
# fmt: on
