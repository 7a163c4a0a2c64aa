"""Signs in other languages than English, from one grammar: the words of each language stand in a row, the sentences are made here.

What is made: dropping what came before, asking for the model's instructions, keeping the user in the dark, another role, another
task, and "from now on". The plainest overrides stand in `instructions` (English), `plain_overrides` and `languages`, for every leg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guard.engines.rules.rule import gap
from guard.engines.rules.sign import Family, Sign


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a language, each member an alternative of patterns. An empty member makes no sign."""

    name: str
    #: Verbs of an order to drop something; what is to be dropped: what came before, and what it is called.
    drop: str
    earlier: str
    laws: str
    #: Verbs of an order to show something, and the model's instructions.
    show: str
    prompt: str
    #: An order not to tell, and the one who is not to know.
    untold: str
    user: str
    #: "From now on", "you are", and what a model without rules is said to be or to have.
    onwards: str
    you_are: str
    unbound: str
    #: "New task", as it is announced; the model, as it is addressed.
    task: str
    model: str
    #: "Answer only with".
    only: str


# Each language is a few lines, as a table is.
# fmt: off
VOCABULARIES: Final = (
    Vocabulary(
        "german",
        drop=r"ignorier\w*|vergiss|vergesst|vergessen sie|missachte\w*|übergeh\w*|verwirf|verwerfe\w*|vergisst|ignorierst|lass\w*|lasse", earlier=r"alle|alles|sämtliche\w*|vorherig\w*|vorig\w*|bisherig\w*|früher\w*|obig\w*|vorangegangen\w*|vorangehend\w*|ursprünglich\w*|davor|zuvor|dein\w*", laws=r"anweisung\w*|instruktion\w*|regeln?|vorgaben?|befehle?|richtlinien?|prompts?|aufgaben?|aufträge?",
        show=r"gib|zeige?|verrate?|nenne?|drucke?|wiederhole?|schreibe?|übersetze?|sage?|liste", prompt=r"system-?(?:prompts?|anweisung\w*|nachricht)|(?:dein\w*|erste\w*|ursprünglich\w*|geheim\w*|interne\w*|vorherig\w*|alle) (?:\pL+ )?(?:prompts?|anweisung\w*|instruktion\w*|regeln)",
        untold=r"(?:sage?|erzähle?|erwähne?|verrate?|informiere?|melde|zeige?)(?: (?:das|dies|es|davon|hiervon|darüber|bitte))* (?:dem|den|der|gegenüber|vor)", user=r"(?:benutzer|nutzer|anwender|user)\pL* (?:\pL+ ){0,3}(?:nicht|nichts)",
        onwards=r"ab jetzt|von nun an|ab sofort|von jetzt an|fortan|ab nun", you_are=r"bist du|du bist|sie sind|sind sie|verhalte dich|spiele?|agiere|handle", unbound=r"(?:keine\w*|ohne(?: jede\w*| jegliche\w*)?) (?:\pL+ )?(?:einschränkung\w*|regeln|beschränkung\w*|filter|grenzen|zensur|moral)|uneingeschränkt\w*|unzensiert\w*|böse\w*",
        task=r"(?:neue|eigentliche|wahre|echte|nächste) (?:aufgabe|anweisung|instruktion|auftrag)", model=r"(?:assistent\pL*|ki|sprachmodell\pL*|chatbot|modell)", only=r"nur noch (?:\pL+ |['\"„][^\n]{1,20} )?(?:antwort|sag|schreib)\w*|(?:antwort|sag|schreib)\w* (?:ab jetzt )?nur noch|antworte\w* (?:mir )?(?:ab jetzt |künftig |immer )?(?:nur|ausschließlich|bloß|einfach)",
    ),
    Vocabulary(
        "french",
        drop=r"ignore[sz]?|ignorer|oublie[sz]?|oublier|néglige[sz]?|contourne[sz]?|fais abstraction|faites abstraction|laisse[sz]? tomber", earlier=r"précédente?s?|antérieure?s?|ci-dessus|initiales?|d['’]avant|plus haut|données|reçues|tes|vos|toutes", laws=r"instructions?|consignes?|règles?|directives?|ordres?|tâches?",
        show=r"affiche[sz]?|montre[sz]?|révèle[sz]?|donne[sz]?|répète[sz]?|écri[st]|écrivez|imprime[sz]?|traduis|dis|dites|liste[sz]?", prompt=r"(?:prompt|invite|instructions?|message|consignes?) (?:du |de )?(?:syst|initia|départ|caché|secr)\pL*|(?:ton|votre|tes|vos) (?:\pL+ )?(?:prompt|invite|instructions|consignes|règles)",
        untold=r"ne (?:(?:le|la|les|rien|pas|lui|en|jamais) |l['’])*(?:dis|dites|dire|mentionne[sz]?|mentionner|révèle[sz]?|révéler|informe[sz]?|préviens|prévenez)|sans (?:le dire|en parler|prévenir|informer|avertir)", user=r"(?:l['’] ?)?utilisat(?:eur|rice)|personne|client",
        onwards=r"à partir de maintenant|désormais|dorénavant|dès maintenant|à partir de cet instant", you_are=r"tu es|vous êtes|agis|agissez|comporte-toi|joue le rôle", unbound=r"(?:sans|aucune?)(?: aucune?)? (?:restrictions?|règles?|limites?|filtres?|censure|éthique|morale)|non censurée?|malveillante?",
        task=r"(?:nouvelle|véritable|vraie|prochaine) (?:tâche|consigne|instruction|mission)", model=r"(?:assistant|ia|modèle|chatbot|agent)s?", only=r"réponds?(?:ez)? (?:uniquement|seulement|simplement|juste)",
    ),
    Vocabulary(
        "spanish",
        drop=r"ignor(?:a|e|en|ad|ar)|olvid(?:a|e|en|ar|ad)|olvídate de|descart(?:a|e|en)|desatiend[ae]|omit(?:e|a)|pasa por alto|deja de lado", earlier=r"anterior\w*|previ[ao]s?|originales|iniciales|dadas|de arriba|precedentes|tus|todas", laws=r"instrucciones|reglas|indicaciones|órdenes|directrices|tareas|normas",
        show=r"muestra|muéstrame|revela|imprime|dime|escribe|repite|traduce|enseña|lista|dame", prompt=r"prompt (?:del |de )?(?:sistema|inicial)|(?:tu|tus|las|el) (?:\pL+ )?(?:prompt|instrucciones (?:iniciales|originales|del sistema|secretas|ocultas))|mensaje (?:del|de) sistema|tus (?:instrucciones|reglas)",
        untold=r"no (?:se lo |le |lo |les )?(?:digas?|menciones?|informes?|reveles?|avises?|cuentes?|diga|muestres)(?: nada)?|sin (?:avisar|informar|decir|decírselo|preguntar|contar)(?: nada)?", user=r"usuari[oa]s?|nadie|cliente",
        onwards=r"a partir de ahora|desde ahora|de ahora en adelante|desde este momento|a partir de este momento", you_are=r"eres|actúa|actua|finge|compórtate|serás|usted es", unbound=r"(?:sin|ninguna?|ningún)(?: ninguna?| ningún)? (?:restricci\w+|reglas|límites|filtros|censura|moral|ética)|malvad[oa]",
        task=r"(?:nueva|verdadera|próxima|siguiente) (?:tarea|instrucción|misión)", model=r"(?:asistente|ia|modelo|chatbot|agente)s?", only=r"responde\w* (?:solo|sólo|únicamente|solamente|simplemente)",
    ),
    Vocabulary(
        "italian",
        drop=r"ignora|ignorate|ignori|dimentica|dimenticate|dimentichi|trascura|tralascia|scarta", earlier=r"precedenti|originali|iniziali|ricevute|di prima|di sopra|anteriori|tutte|tue", laws=r"istruzioni|regole|indicazioni|direttive|ordini|compiti",
        show=r"mostra|mostrami|rivela|stampa|dimmi|scrivi|ripeti|traduci|elenca|dammi|visualizza", prompt=r"prompt (?:di |del )?(?:sistema|iniziale)|istruzioni (?:di sistema|iniziali|originali|segrete|nascoste)|(?:il tuo|tue) (?:\pL+ )?(?:prompt|istruzioni|regole)|messaggio di sistema",
        untold=r"non (?:lo |glielo |gli )?(?:dire|dirlo|menzionare|menzionarlo|rivelare|informare|mostrare|avvisare)(?: nulla| niente)?|senza (?:dirlo|dire|informare|avvisare|chiedere)(?: nulla| niente)?", user=r"utent[ei]|nessuno|cliente",
        onwards=r"d['’]ora in poi|da ora in poi|da adesso in poi|da questo momento|da ora in avanti", you_are=r"sei|agisci|comportati|fingi|sarai|siete", unbound=r"(?:senza|nessun[ao]?)(?: alcun[ao]?)? (?:restrizion\w+|regole|limiti|filtri|censura|etica|morale)|malvagi[oa]",
        task=r"(?:nuovo|vero|prossimo|nuova|vera) (?:compito|istruzione|attività|incarico)", model=r"(?:assistente|ia|modello|chatbot|agente)", only=r"rispond(?:i|ete|a) (?:solo|soltanto|solamente|semplicemente|unicamente)",
    ),
    Vocabulary(
        "portuguese",
        drop=r"ignore|ignora|ignorem|esqueça|esquece|esqueçam|desconsidere|desconsidera|descarte", earlier=r"anteriores|prévias|originais|iniciais|acima|precedentes|suas|tuas|todas", laws=r"instruções|regras|orientações|ordens|diretrizes|tarefas|comandos",
        show=r"mostre|mostra|revele|revela|imprima|diga|diz|escreva|escreve|repita|exiba|traduza|liste|dê", prompt=r"prompt (?:do |de )?(?:sistema|inicial)|instruções (?:do sistema|iniciais|originais|secretas|ocultas)|(?:seu|teu|suas|tuas) (?:\pL+ )?(?:prompt|instruções|regras)|mensagem (?:do|de) sistema",
        untold=r"não (?:o |lhe |lhes )?(?:diga|digas|mencione|informe|revele|avise|conte|mostre)(?: nada| isso| isto)?|sem (?:avisar|informar|dizer|contar|perguntar)(?: nada)?", user=r"(?:ao |o |a )?usuári[oa]s?|utilizador\pL*|ninguém|cliente",
        onwards=r"a partir de agora|de agora em diante|doravante|a partir deste momento", you_are=r"você é|tu és|aja|age|finja|comporte-se|você será", unbound=r"(?:sem|nenhuma?)(?: nenhuma?| quaisquer)? (?:restriç\w+|regras|limites|filtros|censura|ética|moral)|malvad[oa]",
        task=r"(?:nova|verdadeira|próxima) (?:tarefa|instrução|missão)", model=r"(?:assistente|ia|modelo|chatbot|agente)", only=r"respond[ae] (?:só|apenas|somente|unicamente|simplesmente)",
    ),
    Vocabulary(
        "dutch",
        drop=r"negeer|negeert|vergeet|laat|sla", earlier=r"vorige|eerdere|voorgaande|bovenstaande|oorspronkelijke|alle|je|uw|jouw", laws=r"instructies|regels|opdrachten|richtlijnen|aanwijzingen|bevelen|taken",
        show=r"toon|laat|geef|onthul|print|schrijf|herhaal|vertaal|vertel|noem", prompt=r"systeem-?(?:prompt|instructies|bericht)|(?:je|jouw|uw) (?:\pL+ )?(?:prompt|instructies|regels)|(?:oorspronkelijke|geheime|eerste|verborgen) (?:prompt|instructies)",
        untold=r"(?:vertel|zeg|meld|noem|laat)(?: (?:dit|dat|het|hierover|hiervan|er))* (?:aan |tegen |niet aan |niets aan |niet tegen |niets tegen )?(?:de )?|zonder (?:de )?", user=r"gebruikers? (?:\pL+ ){0,2}(?:niets|niet|te vragen|te informeren|te vertellen|in te lichten)",
        onwards=r"vanaf nu|van nu af aan|voortaan|vanaf dit moment", you_are=r"ben je|je bent|jij bent|bent u|u bent|gedraag je|doe alsof", unbound=r"zonder (?:enige |alle )?(?:beperkingen|regels|grenzen|filters?|censuur|moraal)|ongecensureerd\pL*|kwaadaardig\pL*",
        task=r"(?:nieuwe|echte|werkelijke|volgende) (?:taak|opdracht|instructie)", model=r"(?:assistent|ai|taalmodel|chatbot|agent|model)", only=r"antwoord(?:t)? (?:alleen|enkel|slechts|uitsluitend)",
    ),
    Vocabulary(
        "nordic",
        drop=r"ignorér|ignorera|ignorer|glem|glemm|glöm|bortse fr[åa]n?|bortse fra|se bort fra|se bort från|strunta i|tilsidesæt|tilsidesett|åsidosätt", earlier=r"tidligere|tidigare|forrige|förra|foregående|föregående|ovenstående|ovanstående|opprinnelige|oprindelige|ursprungliga|dine|dina|alle|alla", laws=r"(?:instruk|anvisning|regl|regel|retningslin|riktlin|ordre|kommando|direktiv|oppgave|opgave|uppgift|föreskrift)\pL*",
        show=r"vis|visa|afslør|avslöja|avslør|udskriv|skriv|gengiv|gentag|upprepa|gjenta|giv|gi|ge", prompt=r"system-?(?:prompt|instruk|meddel|besked|melding)\pL*|(?:din|dine|dina) (?:\pL+ )?(?:prompt|instruk|regl|regler)\pL*",
        untold=r"(?:fortæl|fortel|berätta|sig|säg|si|nævn|nämn|nevn|informer|informera|oplys)\pL* (?:det |dette |detta |noget |noe |något )?(?:ikke|inte|intet|inget|ingenting|aldrig|aldri)|(?:ikke|inte|aldrig|aldri) (?:fortell|si|nevn|informer|fortæl|sig|nævn|berätta|säg|nämn)\pL*|(?:uden|utan|uten) (?:at|att|å) (?:spørge|fråga|spørre|fortælle|berätta|fortelle|informere|informera|oplyse|varsle|sige|säga|si)", user=r"(?:bruger|brukar|bruker|använda|kund)\pL*",
        onwards=r"fra nu af|fra nå av|från och med nu|från nu|herefter|hädanefter|heretter", you_are=r"er du|är du|du er|du är|opfør dig|oppfør deg|agera|spill|spil", unbound=r"(?:uden|utan|uten|ingen|inga) (?:\pL+ )?(?:begrænsning|restriktion|begränsning|begrensning|restriksjon|regler|filtre|filter|grænser|gränser|grenser|censur|sensur|moral)\pL*",
        task=r"(?:ny|nye|nya|egentlige|egentliga|næste|nästa|neste) (?:opgave|oppgave|uppgift|instruks|instruktion|instruksjon)", model=r"(?:assistent\pL*|ki|språkmodell\pL*|sprogmodel\pL*|chatbot|modell\pL*)", only=r"svar[ae]? (?:kun|bara|endast|bare|alene)",
    ),
    Vocabulary(
        "finnish",
        drop=r"unohda|unohtakaa|sivuuta|ohita|jätä huomiotta|älä välitä|älä noudata", earlier=r"(?:aiem|aikaisem|edelli|edeltäv|yllä olev|alkuperäi|kaik)\pL*", laws=r"(?:ohje|käsky|sään|määräy|komen|tehtäv)\pL*",
        show=r"näytä|paljasta|tulosta|kerro|toista|kirjoita", prompt=r"järjestelmä(?:kehot|ohje|viesti)\pL*|(?:sinun )?(?:alkuperäi|salai|piilotet)\pL* (?:ohje|kehot)\pL*",
        untold=r"älä (?:kerro|mainitse|paljasta|ilmoita|näytä)(?: (?:tästä|tätä|siitä|mitään))?", user=r"käyttäjä\pL*|asiakkaa\pL*",
        onwards=r"tästä lähtien|tästä eteenpäin|nyt alkaen", you_are=r"olet|toimi|esitä|sinä olet", unbound=r"(?:ilman|vailla) (?:mitään )?(?:rajoituk|sääntö|suodat|raj)\pL*|rajoittamaton",
        task=r"uusi (?:tehtävä|ohje|määräys)\pL*", model=r"(?:avustaja|tekoäly|kielimalli|chatbot|agentti|malli)\pL*", only=r"vastaa (?:vain|ainoastaan)",
    ),
    Vocabulary(
        "polish",
        drop=r"zignoruj\pL*|ignoruj\pL*|zapomnij\pL*|pomiń\pL*|odrzuć\pL*|nie zwracaj uwagi na", earlier=r"(?:poprzedni|wcześniejsz|powyższ|dotychczasow|wszystki|pierwotn|twoj|swoj)\pL*", laws=r"(?:instrukcj|poleceni|poleceń|zasad|wytyczn|reguł|zada|rozkaz)\pL*",
        show=r"pokaż|wypisz|ujawnij|wyświetl|podaj|powtórz|napisz|wydrukuj|zdradź", prompt=r"(?:prompt|komunikat|instrukcj)\pL* systemow\pL*|systemow\pL* prompt\pL*|(?:swój|swoj|twój|twoj|pierwotn|ukryt|tajn)\pL* (?:\pL+ )?(?:prompt|instrukcj|zasad)\pL*",
        untold=r"nie (?:mów|wspominaj|informuj|zdradzaj|ujawniaj|pokazuj)\pL*(?: (?:o tym|tego|nic|niczego))?|bez (?:informowania|pytania|powiadamiania|wiedzy)", user=r"użytkownik\pL*|klient\pL*|nikomu",
        onwards=r"od teraz|od tej chwili|od tej pory|odtąd", you_are=r"jesteś|zachowuj się|działaj jako|udawaj|będziesz", unbound=r"bez (?:żadnych )?(?:ogranicze|zasad|reguł|filtr|cenzur|limit)\pL*|nieograniczon\pL*|zły",
        task=r"now[ey] (?:zadanie|polecenie|instrukcja|misja)", model=r"(?:asystent|model|chatbot|agent|sztuczn\pL* inteligencj)\pL*", only=r"odpowiadaj (?:tylko|wyłącznie|jedynie)|odpowiedz (?:tylko|wyłącznie|jedynie)",
    ),
    Vocabulary(
        "czech_slovak",
        drop=r"ignoruj\pL*|zapomeň\pL*|zabudni\pL*|nedbej\pL*|pomiň\pL*|zahoď\pL*|nevšímej si|nevšímaj si", earlier=r"(?:předchoz|předešl|dosavadn|predchádzajúc|predošl|všech|všetk|původn|pôvodn|svoj|tvoj)\pL*", laws=r"(?:instrukc|inštrukc|pokyn|příkaz|príkaz|pravid|úkol|úloh)\pL*",
        show=r"ukaž|zobraz|vypiš|odhal|prozraď|prezraď|zopakuj|napiš", prompt=r"systémov\pL* (?:prompt|instrukc|inštrukc|pokyn|zpráv|správ)\pL*|(?:svoj|svůj|tvoj|tvůj|své|původn|skryt|tajn)\pL* (?:\pL+ )?(?:prompt|instrukc|inštrukc|pokyn)\pL*",
        untold=r"ne(?:říkej|hovor|zmiňuj|spomínaj|informuj|prozrazuj|prezraď)\pL*(?: (?:o tom|to|nic|nič))?|bez (?:vědomí|vedomia|informování)", user=r"uživatel\pL*|užívateľ\pL*|použív\pL*|zákazník\pL*",
        onwards=r"od teď|odteď|od této chvíle|odteraz|od teraz|nyní", you_are=r"jsi|si|chovej se|správaj sa|předstírej|predstieraj|budeš", unbound=r"bez (?:jakýchkoli |akýchkoľvek )?(?:omezen|obmedzen|pravid|filtr|cenzur)\pL*|neomezen\pL*|neobmedzen\pL*",
        task=r"nov[ýáé] (?:úkol|úloha|pokyn|instrukce|inštrukcia)", model=r"(?:asistent|model|chatbot|agent)\pL*", only=r"odpov(?:ídej|ez|edaj|edz) (?:pouze|jen|iba|len)",
    ),
    Vocabulary(
        "russian",
        drop=r"(?:про)?игнорируй\pL*|забудь\pL*|не обращай\pL* внимания на|отбрось\pL*|отмени\pL*|не следуй\pL*", earlier=r"(?:предыдущ|прошл|прежн|вышеуказанн|исходн|первоначальн|вс[её]|свои|твои)\pL*|выше", laws=r"(?:инструкц|указани|правил|команд|приказ|задани|промпт|распоряжени)\pL*",
        show=r"покажи|выведи|раскрой|напечатай|напиши|повтори|скажи|сообщи|выдай|перечисли", prompt=r"систем\pL* (?:промпт|инструкц|сообщени|подсказк|запрос)\pL*|(?:свой|свои|твой|твои|исходн|скрыт|секретн|первоначальн)\pL* (?:\pL+ )?(?:промпт|инструкц|правил|указани)\pL*",
        untold=r"не (?:говори|сообщай|рассказывай|упоминай|показывай|информируй|раскрывай)\pL*(?: (?:об этом|это|ничего|про это))?|без ведома|не ставя в известность", user=r"пользовател\pL*|клиент\pL*|никому",
        onwards=r"с этого момента|отныне|теперь|с настоящего момента|впредь", you_are=r"ты|вы|действуй как|веди себя как|притворись|представь, что ты", unbound=r"без (?:каких-либо |всяких )?(?:ограничен|правил|фильтр|цензур|запрет|морал)\pL*|неограниченн\pL*",
        task=r"нов(?:ая|ое) (?:задача|задание|инструкция|цель)", model=r"(?:ассистент|помощник|модел|чат-?бот|агент|ии|нейросет)\pL*", only=r"отвеча(?:й|йте) (?:только|лишь|исключительно)|ответь(?:те)? (?:только|лишь)",
    ),
    Vocabulary(
        "ukrainian",
        drop=r"(?:про)?ігноруй\pL*|забудь\pL*|не зважай\pL* на|відкинь\pL*|не виконуй\pL*", earlier=r"(?:попередн|минул|колишн|первинн|початков|вс[іе]|усі|свої|твої)\pL*|вище", laws=r"(?:інструкц|вказівк|правил|команд|наказ|завдан|промпт)\pL*",
        show=r"покажи|виведи|розкрий|надрукуй|напиши|повтори|скажи", prompt=r"систем\pL* (?:промпт|інструкц|повідомлен|підказк)\pL*|(?:свої|твої|прихован|секретн|початков)\pL* (?:\pL+ )?(?:промпт|інструкц|правил)\pL*",
        untold=r"не (?:кажи|повідомляй|розповідай|згадуй|показуй|розкривай)\pL*(?: (?:про це|це|нічого))?|без відома", user=r"користувач\pL*|клієнт\pL*|нікому",
        onwards=r"відтепер|з цього моменту|віднині|надалі", you_are=r"ти|ви|дій як|поводься як|уяви, що ти", unbound=r"без (?:жодних |будь-яких )?(?:обмежен|правил|фільтр|цензур|заборон)\pL*",
        task=r"нов(?:е|а) (?:завдання|задача|інструкція|мета)", model=r"(?:асистент|помічник|модел|чат-?бот|агент)\pL*", only=r"відповідай(?:те)? (?:тільки|лише|виключно)",
    ),
    Vocabulary(
        "romanian",
        drop=r"ignoră|ignorați|ignora|uită|uitați|nu ține cont de|nu țineți cont de", earlier=r"anterioare|precedente|inițiale|de mai sus|toate|tale", laws=r"instrucțiuni\pL*|reguli\pL*|indicați\pL*|comenzi\pL*|ordine\pL*|sarcini\pL*",
        show=r"arată|afișează|dezvăluie|tipărește|spune|repetă|scrie", prompt=r"(?:prompt|mesaj|instrucțiuni)\pL* (?:de |al |ale )?sistem\pL*|(?:instrucțiuni|prompt|reguli)\pL* (?:tale|tău|inițial\pL*|ascuns\pL*|secret\pL*)",
        untold=r"nu (?:îi |i )?(?:spune|menționa|dezvălui|informa|arăta)(?: (?:nimic|asta|acest lucru))?|fără (?:să îi spui|a informa|să informezi|știrea)", user=r"utilizator\pL*|client\pL*|nimănui",
        onwards=r"de acum (?:înainte|încolo)|începând de acum|din acest moment", you_are=r"ești|acționează|comportă-te|prefă-te|vei fi", unbound=r"fără (?:nicio |niciun )?(?:restricți|reguli|limit|filtr|cenzur)\pL*",
        task=r"(?:noua|nouă) (?:sarcină|instrucțiune)|sarcină nouă", model=r"(?:asistent|model|chatbot|agent)\pL*", only=r"răspunde(?:ți)? (?:doar|numai)",
    ),
    Vocabulary(
        "turkish",
        drop=r"yok say|görmezden gel|unut|dikkate alma|boş ver|göz ardı et", earlier=r"önceki|yukarıdaki|daha önceki|tüm|bütün|ilk", laws=r"(?:talimat|komut|kural|yönerge|emir|görev|istem)\pL*",
        show=r"göster|yazdır|açıkla|söyle|tekrarla|paylaş|yaz", prompt=r"sistem (?:istem|talimat|mesaj|komut|prompt)\pL*|(?:gizli|ilk|başlangıç) (?:talimat|istem|prompt)\pL*",
        untold=r"(?:söyleme|bahsetme|bildirme|gösterme|açıklama)|haber verme|haberi olmadan", user=r"kullanıcı\pL*|müşteri\pL*",
        onwards=r"bundan sonra|şu andan itibaren|bundan böyle|artık", you_are=r"sen|gibi davran|rolünü oyna", unbound=r"(?:sınırsız|kısıtlamasız|kuralsız|filtresiz|sansürsüz)|(?:hiçbir )?(?:kısıtlama|kural|sınır|filtre)\pL* olmayan",
        task=r"yeni (?:görev|talimat|komut)\pL*", model=r"(?:asistan|model|chatbot|ajan|yapay zeka|yapay zekâ)\pL*", only=r"(?:sadece|yalnızca) (?:\pL+ ){0,4}(?:cevap ver|yanıtla|yaz|yanıt ver)",
    ),
    Vocabulary(
        "indonesian",
        drop=r"abaikan|lupakan|acuhkan|hiraukan", earlier=r"sebelumnya|terdahulu|di atas|sebelum ini|awal|semua|seluruh", laws=r"instruksi|perintah|aturan|petunjuk|arahan|tugas",
        show=r"tampilkan|tunjukkan|ungkapkan|cetak|sebutkan|ulangi|tuliskan|beritahu|bocorkan", prompt=r"(?:prompt|instruksi|pesan|perintah) sistem|(?:instruksi|prompt|aturan) (?:awal|rahasia|tersembunyi|anda|kamu)",
        untold=r"jangan (?:beri ?tahu|sebutkan|katakan|ceritakan|ungkapkan|informasikan)(?: (?:ini|hal ini))?(?: (?:kepada|pada))?|tanpa (?:memberi ?tahu|sepengetahuan|bertanya)", user=r"pengguna|pelanggan|siapa ?pun",
        onwards=r"mulai sekarang|sejak sekarang|mulai saat ini", you_are=r"kamu adalah|anda adalah|bertindaklah|berpura-puralah|berperanlah", unbound=r"tanpa (?:\pL+ )?(?:batasan|aturan|filter|sensor|pembatasan)",
        task=r"tugas (?:baru|sebenarnya)|instruksi baru", model=r"(?:asisten|model|chatbot|agen|ai)", only=r"jawab(?:lah)? (?:hanya|cuma)|hanya (?:jawab|balas)",
    ),
    Vocabulary(
        "vietnamese",
        drop=r"bỏ qua|phớt lờ|quên|không tuân theo|đừng làm theo", earlier=r"trước(?: đó| đây)?|ở trên|trên|ban đầu|tất cả|mọi", laws=r"hướng dẫn|chỉ dẫn|chỉ thị|mệnh lệnh|lệnh|quy tắc|yêu cầu",
        show=r"hiển thị|tiết lộ|in ra|cho (?:tôi )?(?:xem|biết)|lặp lại|viết ra", prompt=r"(?:lời nhắc|prompt|hướng dẫn|chỉ dẫn|thông báo) (?:của )?hệ thống|(?:hướng dẫn|chỉ dẫn|prompt) (?:ban đầu|bí mật|ẩn|của bạn)",
        untold=r"(?:đừng|không|không được) (?:nói|kể|tiết lộ|thông báo|đề cập|cho)(?: (?:điều này|gì))?(?: (?:cho|với))?|mà không (?:báo|hỏi)", user=r"người dùng|khách hàng",
        onwards=r"từ (?:bây giờ|giờ|nay)(?: trở đi)?|kể từ bây giờ", you_are=r"bạn là|hãy đóng vai|hãy hành động như|bạn sẽ là", unbound=r"không (?:có |bị )?(?:giới hạn|quy tắc|hạn chế|kiểm duyệt|bộ lọc)",
        task=r"nhiệm vụ mới|chỉ thị mới|nhiệm vụ thực sự", model=r"(?:trợ lý|mô hình|chatbot|tác nhân|ai)", only=r"chỉ (?:trả lời|đáp)",
    ),
)
# fmt: on


#: Where a word begins and ends: RE2's ``\\b`` knows ASCII alone.
_EDGE, _END = r"(?:^|[^\pL])", r"(?:[^\pL]|$)"


def _signs(words: Vocabulary) -> list[Sign]:
    """The signs of one language. Rare words are the triggers, as whole sentences of many languages make the automaton too large."""
    drop, earlier, laws = f"(?:{words.drop})", f"(?:{words.earlier})", f"(?:{words.laws})"
    show, prompt = f"(?:{words.show})", f"(?:{words.prompt})"
    onwards, you_are, unbound = f"(?:{words.onwards})", f"(?:{words.you_are})", f"(?:{words.unbound})"
    dropped = rf"(?:{earlier}{gap(3)}{laws}|{laws}{gap(3)}{earlier})"
    task, model = f"(?:{words.task})", f"(?:{words.model})"
    return [
        Sign(
            Family.OVERRIDE,
            6,
            rf"{_EDGE}(?:{drop}{gap(3)}{dropped}|{dropped}{gap(2)}{drop})",
            _REASONS[0],
            rf"{_EDGE}{drop}",
        ),
        Sign(
            Family.THEFT,
            6,
            rf"{_EDGE}(?:{show}{gap(4)}{prompt}|{prompt}{gap(3)}{show})",
            _REASONS[1],
            rf"{_EDGE}{prompt}",
        ),
        Sign(
            Family.SECRECY,
            5,
            rf"{_EDGE}(?:(?:{words.untold}){gap(4)}(?:{words.user})|(?:{words.user}){gap(3)}(?:{words.untold}))",
            _REASONS[2],
            rf"{_EDGE}(?:{words.user})",
        ),
        Sign(Family.LICENCE, 6, rf"{_EDGE}{you_are}{gap(6)}{unbound}", _REASONS[3], unbound),
        Sign(Family.ROLE, 4, rf"{_EDGE}{onwards}{gap(1)}{you_are}{_END}", _REASONS[4], rf"{_EDGE}{onwards}"),
        Sign(Family.TASK, 4, rf"{_EDGE}{task}{_END}", _REASONS[5]),
        Sign(
            Family.ADDRESS, 2, rf"(?:^|[\n.!?]\s?)(?:\pL+[ ]){{1,3}}{model}[ ]?:[ ]\pL", _REASONS[6], rf"{model}[ ]?:"
        ),
        Sign(Family.OUTPUT, 4, rf"{_EDGE}(?:{words.only}){_END}", _REASONS[7]),
    ]


_REASONS: Final = (
    "drops what came before",
    "asks for the model's instructions",
    "is to stay unnoticed",
    "frees the model from its rules",
    "calls the model something else",
    "announces another task",
    "speaks to a model",
    "dictates the answer",
)

# Without blanks between words, a sentence is a row of signs with few between them.
_ZH_LAWS = r"(?:指令|指示|规则|規則|提示词?|說明|说明|命令|要求|设定|設定|任务|任務|内容|內容)"
_JA_LAWS = r"(?:指示|命令|指令|ルール|プロンプト|設定|規則|制約|タスク)"
_KO_LAWS = r"(?:지시|명령|규칙|지침|프롬프트|설정|작업)"
_UNSPACED: Final = (
    (Family.OVERRIDE, 6, rf"(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会|忽视|忽視|抛开|放弃)[\pL，]{{0,8}}?(?:之前|以前|以上|先前|前面|上述|所有|一切|原来|原有|你的)[\pL，]{{0,8}}?{_ZH_LAWS}", 0),
    (Family.SECRECY, 5, r"(?:^|[^\pL])(?:vertel|zeg|meld|noem)\s+(?:\pL+\s+){0,2}niets?\s+(?:aan|tegen)\s+(?:de\s+)?gebruiker", 2),
    (Family.THEFT, 6, r"(?:显示|顯示|输出|輸出|告诉我|告訴我|打印|泄露|洩漏|透露|重复|重複|写出|翻译|列出)[\pL，]{0,8}?(?:系统|系統|初始|你的|隐藏|原始)[\pL]{0,4}?(?:提示词?|指令|消息|訊息|规则|規則|设定)", 1),
    (Family.SECRECY, 5, r"(?:不要|别|別|切勿|请勿|不得|无需|不必)[\pL]{0,4}?(?:告诉|告訴|通知|提醒|透露|告知|提及|让)[\pL]{0,6}?(?:用户|用戶|使用者|任何人|客户)", 2),
    (Family.LICENCE, 6, r"(?:你是|你现在是|扮演|假装|假裝|作为)[\pL，]{0,12}?(?:没有|沒有|不受|无|無)[\pL]{0,4}?(?:限制|规则|規則|约束|過濾|过滤|道德)", 3),
    (Family.ROLE, 4, r"(?:从现在开始|从现在起|從現在開始|從現在起|今后|现在)[，,]?(?:你是|你就是|你将|你要|你必须)", 4),
    (Family.TASK, 4, r"(?:新的?|真正的|下一个)(?:任务|任務|指令|指示)(?:是|为|：|:)", 5),
    (Family.OUTPUT, 4, r"(?:只|仅|僅)(?:需|能|要|可以)?(?:回答|回复|回覆|输出|輸出)", 7),
    (Family.OVERRIDE, 6, rf"(?:以前|これまで|今まで|前|上記|上|最初|すべて|全て|全部)(?:の|で)?[\pL]{{0,8}}?{_JA_LAWS}(?:は|を|も)?[\pL、]{{0,6}}?(?:無視|忘れ|破棄|従わない)", 0),
    (Family.THEFT, 6, r"(?:システム|初期|最初の|あなたの|隠された)[\pL]{0,4}?(?:プロンプト|指示|メッセージ|設定|命令)(?:を|は|の内容を)[\pL、]{0,8}?(?:表示|出力|教え|見せ|繰り返|公開|開示|書い)", 1),
    (Family.SECRECY, 5, r"(?:ユーザー|利用者|お客様|誰)(?:に|には|へ)(?:は|も)?[\pL]{0,10}?(?:言わない|伝えない|知らせない|教えない|話さない|知らせず|言わず|秘密)", 2),
    (Family.LICENCE, 6, r"(?:制限|制約|ルール|規則|フィルター|検閲)(?:の|が|も)?(?:ない|なし|無い|一切ない)[\pL]{0,6}?(?:AI|アシスタント|モデル|チャットボット|存在)", 3),
    (Family.ROLE, 4, r"(?:今から|これから|以降|今後)(?:は)?、?(?:あなたは|君は|お前は)", 4),
    (Family.TASK, 4, r"(?:新しい|本当の|次の)(?:タスク|指示|命令|任務)(?:は|:|：|です)", 5),
    (Family.OUTPUT, 4, r"(?:だけ|のみ)(?:を|で|と)?(?:答え|回答|返答|返信|出力)", 7),
    (Family.OVERRIDE, 6, rf"(?:이전|위|앞|기존|지금까지|모든)[\pL\s]{{0,8}}?{_KO_LAWS}\pL*\s*(?:모두\s*|전부\s*|다\s*)?(?:무시|잊|따르지)", 0),
    (Family.THEFT, 6, r"(?:시스템|초기|숨겨진|너의|당신의|원래)\s?(?:프롬프트|지시|메시지|명령|설정)\pL*\s*(?:\pL+\s*){0,2}(?:출력|보여|알려|공개|반복|말해|표시)", 1),
    (Family.SECRECY, 5, r"(?:사용자|유저|고객|누구)(?:에게|한테|에게도)?(?:는|도)?\s*(?:\pL+\s*){0,2}(?:말하지|알리지|언급하지|보여주지|숨기)", 2),
    (Family.LICENCE, 6, r"(?:제한|규칙|필터|검열|제약)\pL?\s*(?:이|가|도)?\s*(?:없는|없이)\s*(?:\pL+\s*){0,2}(?:AI|인공지능|비서|모델|어시스턴트|챗봇)", 3),
    (Family.ROLE, 4, r"(?:지금부터|이제부터|앞으로)\s*(?:는\s*)?(?:너는|당신은|넌)", 4),
    (Family.TASK, 4, r"(?:새로운|진짜|다음)\s?(?:작업|임무|지시|명령|과제)(?:은|는|:|이다|입니다)", 5),
    (Family.OUTPUT, 4, r"(?:만|으로만|라고만)\s*(?:대답|답변|답하|응답|출력)", 7),
    (Family.OVERRIDE, 6, r"(?:تجاهل|تجاهلي|تجاهلوا|انس|انسى|إنس|اترك)\s+(?:\pL+\s+){0,2}(?:تعليماتك|أوامرك|قواعدك|(?:التعليمات|الأوامر|القواعد|التوجيهات|المهام)(?:\s+\pL+){0,2}\s+(?:السابقة|أعلاه|الأصلية|الأولى))", 0),
    (Family.THEFT, 6, r"(?:اعرض|أظهر|اكشف|اطبع|أخبرني|كرر|اكتب|أرني)\s+(?:\pL+\s+){0,3}(?:موجه|تعليمات|رسالة|أوامر|مطالبة)\s+(?:النظام|\pL*السرية|البداية)", 1),
    (Family.SECRECY, 5, r"(?:لا\s+(?:تخبر|تخبري|تذكر|تبلغ|تقل|تظهر)|دون\s+(?:إخبار|علم|إبلاغ))\s+(?:\pL+\s+){0,3}?(?:ال|لل)?(?:مستخدم|عميل)", 2),
    (Family.LICENCE, 6, r"(?:أنت|تصرف|تظاهر)\s+(?:\pL+\s+){0,5}(?:بلا|بدون|دون)\s+(?:أي\s+)?(?:قيود|قواعد|حدود|رقابة)", 3),
    (Family.ROLE, 4, r"(?:من\s+الآن\s+فصاعدا\pM*|ابتداء\pM*\s+من\s+الآن|من\s+الآن)[،,]?\s+(?:أنت|ستكون|تصرف)", 4),
    (Family.TASK, 4, r"(?:مهمتك|المهمة|التعليمات)\s+(?:الجديدة|الحقيقية)", 5),
    (Family.OUTPUT, 4, r"(?:أجب|رد|اكتب)\s+(?:\pL+\s+){0,2}فقط", 7),
    (Family.OVERRIDE, 6, r"(?:पिछल|पूर्व|पहले|उपरोक्त|सभी|ऊपर)[\pL\pM]*\s+(?:[\pL\pM]+\s+){0,3}(?:निर्देश|आदेश|नियम|कार्य)[\pL\pM]*\s+(?:[\pL\pM]+\s+){0,2}(?:अनदेखा|अनदेखी|नज़रअंदाज़|नजरअंदाज|भूल|छोड़)", 0),
    (Family.THEFT, 6, r"(?:सिस्टम|प्रारंभिक|छिपे|अपना|अपने)\s+(?:[\pL\pM]+\s+){0,2}(?:प्रॉम्प्ट|निर्देश|संदेश)[\pL\pM]*\s+(?:[\pL\pM]+\s+){0,2}(?:दिखा|बता|प्रकट|लिख|दोहरा)", 1),
    (Family.SECRECY, 5, r"(?:उपयोगकर्ता|यूज़र|यूजर|ग्राहक)\s+(?:[\pL\pM]+\s+){0,4}(?:मत|न|नहीं)\s+(?:बता|कह|दिखा)", 2),
    (Family.ROLE, 4, r"अब\s+से\s*,?\s*(?:तुम|आप|तू)", 4),
    (Family.TASK, 4, r"(?:नया|नई|असली)\s+(?:कार्य|काम|निर्देश|आदेश)\s*(?:है|:)", 5),
)  # fmt: skip

TRANSLATIONS: Final = (
    *(sign for words in VOCABULARIES for sign in _signs(words)),
    *(Sign(family, weight, pattern, _REASONS[reason]) for family, weight, pattern, reason in _UNSPACED),
)
