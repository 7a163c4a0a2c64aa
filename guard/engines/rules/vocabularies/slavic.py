"""South Slavic languages in both scripts, and Belarusian."""

from __future__ import annotations

from typing import Final

from guard.engines.rules.vocabularies.words import Words

# Each language is a few lines, as a table is.
# fmt: off
SLAVIC: Final = (
    Words(
        "croatian_serbian_bosnian_slovenian",
        drop=r"zanemari(?:te)?|zanemari vse|ignoriraj(?:te)?|ignoriši(?:te)?|zaboravi(?:te)?|odbaci(?:te)?|prezri(?:te)?|pozabi(?:te)?|previdi(?:te)?|ne (?:slijedi|sledi|prati|poštuj|upoštevaj|poslušaj)(?:te)?|ne obraćaj(?:te)? pažnju", negated=r"ne|nemoj|nemojte|nikoli|nikada|sam|je|su|smo|ni",
        earlier=r"prethodn~|prijašnj~|ranij~|gornj~|gore|iznad|dosadašnj~|prejšnj~|predhodn~|zgornj~|zgoraj|dosedanj~|sve|sva|svih|vse|vsa|izvorn~|originaln~|tvoj~|svoj~|početn~|dobiven~|dobijen~",
        laws=r"uput~|instrukcij~|naredb~|pravil~|smjernic~|smernic~|nalog~|zapovijed~|zapovest~|navodil~|ukaz~|zadat~|direktiv~|prompt~|naređenj~|pozive?", before=r"(?:sve|sva|svega|vse|vsega)@(?:gore|iznad|prije|pre|ranije|dosad|do sada|prethodno|zgoraj|prej|doslej)",
        show=r"pokaži|pokažite|prikaži|otkrij|otkrijte|ispiši|napiši|ponovi|razkrij|izpiši|povej|nabroji",
        prompt=r"(?:sistemsk|sustavsk|sistemn)~ (?:~ )?(?:prompt|uput|instrukcij|poruk|navodil|sporočil|poziv)~|system prompt|(?:svoj|tvoj|izvorn|skriven|skrit|tajn)~ (?:~ )?(?:prompt|uput|instrukcij|pravil|navodil)~",
        untold=r"ne (?:govori|spominji|reci|otkrivaj|obavještavaj|obaveštavaj|pokazuj|omenjaj|povej|razkrij)(?:te)?|nemoj(?:te)? (?:~ )?(?:reći|spomenuti|otkriti|pokazati|obavijestiti|pominjati)|bez (?:znanja|obavještavanja)|brez vednosti", user=r"korisnik~|uporabnik~|klijent~|strank~",
        onwards=r"od sada|odsad|od ovog trenutka|ubuduće|od zdaj naprej|odslej|od tega trenutka", you_are=r"ti si|si|vi ste|ti|ponašaj|djeluj|pretvaraj|deluj|obnašaj|pretvarjaj|moraš",
        task=r"nov(?:i|a|o) (?:zadatak|naredba|uputa|uputstvo|naloga|navodilo|instrukcija|zadaća)|nov[ae] (?:upute|uputstva|navodila)", note=r"važna (?:poruka|obavijest|napomena)|pomembno (?:sporočilo|obvestilo)",
        model=r"asistent~|pomoćnik~|pomočnik~|umjetn~ inteligencij~|veštačk~ inteligencij~|umetn~ inteligenc~|ai|ui|model~|chatbot~", instead=r"umjesto toga|umesto toga|namesto tega", do=r"napiši|odgovori|pošalji|pošlji|reci|uradi|učini|povej|naredi|stori",
    ),
    Words(
        "bulgarian_macedonian_serbian",
        drop=r"игнорирай(?:те)?|пренебрегни|пренебрегнете|пренебрегвай(?:те)?|забрави|забравете|игнорирај(?:те)?|занемари(?:те)?|заборави|заборавете|заборавите|игнориши(?:те)?|отхвърли|отхвърлете|отфрли|превиди|не (?:обръщай~ внимание|следвай~|спазвай~|обрнувај~ внимание|следи~|ги следи~|обраћај~ пажњу|прати|поштуј)", negated=r"не|немој|немојте|недей|недейте|никогаш|той|тя|сам|је|јас|ја|ги",
        earlier=r"предишн~|предходн~|горн~|по-горе|горепосоч~|всички|дадени~|оригиналн~|първоначалн~|твоите|своите|досегашн~|претходн~|горенаведен~|погоре|сите|сва|све|свих|твоја|твоје|изнад|пређашњ~|раниј~", laws=r"инструкци~|указани~|команд~|наредб~|правил~|заповед~|нареждани~|насок~|промпт~|упатств~|упутств~|наређењ~|налог~|смерниц~|директив~|задач~|задат~",
        before=r"(?:всичко|сè|се|све|сѐ)@(?:по-горе|преди|досега|погоре|претходно|изнад|раније|пре тога|до сада|горе)",
        show=r"покажи|покажете|разкрий|разкрийте|изведи|отпечатай|повтори|откриј|прикажи|испиши|напиши", prompt=r"системн~ (?:~ ){0,2}(?:промпт~|инструкци~|указани~|съобщени~|упатств~|упутств~|порак~|порук~)|системск~ (?:~ ){0,2}(?:промпт~|инструкци~|упатств~|упутств~|порак~|порук~)|system prompt|(?:твоите|своите|твоја|своја|скрит~|първоначалн~|сите си) (?:~ )?(?:инструкци~|правила|указания|промпт|упутства|упатства)",
        untold=r"не (?:казвай|споменавай|съобщавай|разкривай|показвай|кажувај|спомнувај|откривај|говори|помињи|обавештавај|реци|кажувај)(?:те)?|немој(?:те)? (?:~ )?(?:кажеш|рећи|поменути|споменеш|откриеш|открити)|без (?:знаење|знања|знанието)", user=r"потребител~|корисник~|клиент~|клијент~",
        onwards=r"отсега нататък|отсега|от този момент|отсега натаму|од сега|од сада|убудуће|отсад|од овог тренутка", you_are=r"ти си|вие сте|си|ти|действай~|понашај|однесувај|дејствувај|мораш",
        task=r"нов[ао] (?:задача|инструкци~|указание|команда|упатство|упутство)|нови (?:инструкции|упутства|упатства|задатак)", note=r"важн[оа] (?:съобщение|порака|порука|обавештење|известување)",
        model=r"асистент~|помощник~|ии|аи|ai|модел~|чатбот~|изкуствен~ интелект|вештачк~ интелигенциј~|помоћник~|помошник~", instead=r"вместо това|наместо тоа|уместо тога", do=r"напиши|отговори|одговори|изпрати|испрати|пошаљи|направи|кажи|реци|уради",
    ),
    Words(
        "belarusian",
        drop=r"ігнаруй~|праігнаруй~|забудзь~|адкінь~|не (?:звяртай~ (?:ўвагі|увагі)|выконвай~|зважай~)", negated=r"не|ня",
        earlier=r"папярэдн~|мінул~|вышэй~|усе|ўсе|ранейш~|першапачатков~|свае|твае|дадзен~", laws=r"інструкцы~|указанн~|указан~|правіл~|загад~|каманд~|ўказанн~|ўказан~|распараджэнн~|промпт~|падказк~|заданн~", before=r"(?:усё|ўсё)@(?:вышэй|раней|да гэтага|перад гэтым)",
        show=r"пакажы~|вывед~|раскрый~|напішы~|паўтары~|скажы~", prompt=r"сістэмн~ (?:~ )?(?:промпт~|інструкцы~|паведамлен~|падказк~)|system prompt|(?:свае|твае|прыхаван~|першапачатков~) (?:~ )?(?:інструкцы~|правілы|промпт~)",
        untold=r"не (?:кажы|паведамляй|расказвай|згадвай|паказвай|раскрывай)~|без ведама", user=r"карыстальнік~|кліент~", onwards=r"(?:з|ад) гэтага моманту|адгэтуль", you_are=r"ты|вы|дзейнічай|паводзь", task=r"новае заданне|новая (?:задача|інструкцыя)",
        note=r"важнае паведамленне", model=r"асістэнт~|памочнік~|штучн~ інтэлект~|іі|ai|мадэл~|чат-?бот~", instead=r"замест гэтага", do=r"напішы~|адкажы~|дашлі~|зрабі~|скажы~",
    ),
)
# fmt: on
