"""Words whose tone a reader of English reviews knows before seeing a single training text.

A few hundred labelled texts cannot teach a model that "atrocious" is bad if none of them says so.
The lists were written from general knowledge of the language, not drawn from a labelled corpus.
They hold most words of the sample generator, so no figure measured on the sample says anything
about the model.

An entry ending in ``*`` stands for every word that starts with it; a whole word wins over a
beginning and a longer beginning over a shorter one. Two words joined by ``_`` stand next to each
other. What a list counts for is learnt, not decided here.
"""

from collections.abc import Mapping
from typing import Final

WORD_LISTS: Final[Mapping[str, str]] = {
    "strong_praise": """
    adorable adore adored adores amaz* astonishing astounding awesome beautiful beautifully best
    breathtak* brilliant* captivat* charming classic dazzl* delectable delicious* delight*
    electrifying enchant* engross* enthrall* excellen* exceptional* exemplary exhilarat*
    exquisite* extraordinar* fabulous* fantastic* faultless* flawless* gem gems genius glorious*
    gorgeous* great greatest greatness gripping hilarious* hypnotic impeccab* incredible
    incredibly irresistib* love loved lovely loves magnificen* marvel* masterful* masterly
    masterpiece* masterwork* mesmeri* miracul* must-see must-have outstanding* peerless perfect
    perfection perfectly phenomenal* powerful* priceless profound* rapturous* ravishing*
    remarkabl* rivet* sensational* spectacular* spellbind* splendid* stellar stunning*
    stupendous sublime* sumptuous* superb* superlative* terrific* thrill* top-notch triumph*
    unbeatable unforgettab* unmatched unmissable virtuos* wonder wonderful* wonders wondrous*
    first-rate a_must a_delight a_treat must_see must_have tour_de top_notch highly_recommend
    highly_recommended first_rate well_worth five_stars 5_stars thumbs_up laugh_out edge_of
    work_of second_none exceeded_expectations ❤ ♥ 😍 🥰 😘 🤩 🎉 💯 👏 🔥 🏆 <3
    """,
    "praise": """
    absorb* accessible acclaim* accomplish* accurate* achiev* admir* affecting affection*
    affordab* agreeab* amiab* amus* appeal* appreciat* apt articulate artful* artistic* artistry
    assured astonish* astut* atmospheric attract* authentic* award award-winning awe balanced
    beauty beguil* believab* beneficial benefit* better bewitch* blessed bliss* bold boldly
    bracing brave bravely bravo bravura breez* bright* brisk* buoyan* calm candid cared careful*
    caring cathartic celebrat* charisma* charm* cheer* chic classy clean clear-eyed clever*
    coherent cohesive comfort* comfy comic comical commend* compassion* compelling* competent*
    complement* compliment* comprehensive confident* congratulat* consistent* convenien*
    convinc* cool cordial courag* courteous cozy craft* creamy creativ* credible crisp*
    crowd-pleas* cute daring darling dear deep deeper deeply deft* delicate* dependab* deserv*
    detailed dignity disarming discover* distinctive droll durab* dynamic eager* earnest* ease
    easier easily easy easy-to-use economical edgy effective* efficien* effortless* elegan*
    eloquen* emotional* empath* empower* endear* energetic* energi* energy engag* enjoy*
    enlighten* enliven* enrich* entertain* enthusias* epic essential evocat* evok* exceed*
    excit* expert expertly expressive exuberan* eye-opening eye-popping fair faithful* famous
    fascinat* fast favorit* favourit* feel-good finely finest first-class flair fluid* fond*
    fresh* friendly fulfil* fun funky funnier funniest funny generous* gentle gently genuine*
    gift* glad* glee* glow* good good-natured good-looking goodness grace* gracious* grand
    grandeur grateful* gratify* grin groundbreaking handsome* handy happi* happy hard-hitting
    harmon* haunting* healthy heart heart-warming heartbreak* hearty heartfelt heartwarm*
    heaven* helpful* heroic* honest* honesty honor* honour* hopeful* human humane humanity
    humble humor humorous* humour iconic ideal ideally illuminat* imaginati* immaculate immers*
    impress* improve* improving incisive* ingenious* ingenuity innocen* innovat* insight*
    inspir* intellect* intelligen* intens* interest* intimate* intimacy intoxicat* intricate*
    intrigu* invaluable inventive* invigorat* inviting involving jewel jolly joy joyful* joyous*
    jubil* juicy keen* kindly kindness knockout knowledgeable kudos landmark laugh-out-loud
    lavish* legendary likab* likeab* liked likes lively long-lasting lovab* loving* loyal* lucid
    luminous* lush* luxur* lyrical* magic magical* magnetic majest* master mastery matur*
    meaningful* meditative memorab* merit* mind-blowing modern mouthwatering moved moving*
    must-own natural* neat nice* nifty nimble nostalg* nourish* novel nuance* observant offbeat
    optimis* original originality panache passion* patient* pays peaceful perceptive* personable
    playful* pleas* pleasur* plus poetic* poetry poignan* poise* polish* pop popular potent*
    praise* precis* premium pretty pride pristine prize* prompt* proud* provocati* punchy pure
    quality quick quickly quiet* quirk* radian* raucous rave raved raves realis* recommend*
    refin* refresh* relax* relevan* reliab* relish* resilien* resonan* resonat* respect*
    responsive restrain* revelat* revelatory reward* rich* robust romantic* rous* safe satisf*
    savor* savvy scar* seamless* seduc* sensib* sensitiv* sensual* sexy sharp sharply shimmer*
    shine* shines shining shiny sincer* skill* sleek slick* smart* smash smil* smooth* snappy
    soar* solid* soothing* soulful* sparkl* special spicy spirit spirited spiritual spontan*
    spot-on spry steady stimulat* stirring* strength* strong stronger strongest strongly stunner
    sturdy stylish* substantial subtl* succeed* success* suited sunny super superior supple
    support* surpris* suspens* sweet* swift* sympath* talent* tasty tender* tense tension
    terrifying* thank* thought-provoking thoughtful* tight* timeless* timely touch touching*
    transcend* transport* treasur* treat treats trust* truth* unaffected unassuming
    uncompromising understated unexpected* unflinching unique* universal unpretentious unusual*
    upbeat uplift* urgent useful* valuab* value versatil* vibran* vintage visceral visionary
    vital* vivid* warm warmer warmly warmth wealth welcom* well-acted well-built well-crafted
    well-done well-made well-written well-told whimsy whimsical* win winner winning* wins wise*
    wisdom wit witty wittily works worth worthwhile worthy wow wowed yay yummy zany zest* zing
    well_made well_written well_done well_acted well_built works_well works_great worth_seeing
    worth_watching worth_every feel_good four_stars 4_stars good_time great_fun won't_regret
    won't_disappoint two_thumbs 👍 😀 😃 😄 😁 😆 😂 🤣 😊 🙂 😉 😎 😋 🤗 ✨ 🌟 ⭐ 💕 💖
    😻 🙌 :) :-) ;) ;-) =)
    """,
    "complaint": """
    absence absurd* aimless* alas alienat* amateur* anger angry annoy* antisept* apathe*
    arbitrar* artificial* attempt* avoid* awkward* bad badly banal* barely bargain-basement
    baffl* befuddl* belabor* bewilder* bias* bigot* bitter blah blame* bland* blank bleak bloat*
    bludgeon* blunt* blurr* bogus bombastic bore bored boredom bores boring* botch* bother*
    break breaks broke broken bug buggy bugs bulky burden* burn burnt calculated callous
    careless* cartoonish caution cheap* cheat* cheesy choppy chore clich* cloying clueless
    clumsi* clumsy clunk* coarse cold collaps* complain* complicat* con condescend* confus*
    contradict* contriv* convention* convolut* copycat corny corrupt* cost costly counterfeit
    cracked cramp* crash* crass* cringe* crude* cruel* cumbersome cutesy cynic* damag* damp*
    dated dead deadly deaden* death defect* deficien* delay* depress* derivativ* desperat*
    deteriorat* didactic* difficult* diffuse dim diminish* dirty disagree* disappear*
    disconnect* discourag* disengag* disgruntl* dishonest* disingenuous disjoint* dislik*
    disorgani* displeas* disposable dissatisf* distast* distract* distrust* disturbing* doubt*
    downer downhill downright drab* drag dragged dragging drags drain* drawback* drawn-out
    dreary dried drones drown* dry dubious* dud dull* dullard dumb dumbed dumber dysfunction* eh
    elusive embarrass* emptiness empty endless* error* exasperat* excess* excuse* exhaust*
    exaggerat* expensive exploit* extraneous fad fade* fail failed failing fails failure
    failures fake faked false falter* far-fetched fatal* fatigue* fault faulty fear feeble* fell
    fizzle* flabby flail* flat flat-out flatly flatter flaw flawed flaws flicker* flimsy flop
    flopped flops flounder* fluff* foolish* forced forget forgets forgettab* forgotten formula
    formulaic* fraught freez* frivolous frustrat* fuss* fuzzy gaudy generic* gimmick* glacial
    glaring* glitch* gloomy glossy goofy gory grim grinding gripe* gross grotesque* gruff
    grumbl* guilty half-baked half-hearted halfhearted hackneyed ham-fisted hammer* hamper*
    hapless hard hardly harm harmful harsh* haphazard hassle* hazard* headache* heavy-handed
    heartless heavily hoax hodgepodge hokey hokum hollow* hopeless* hurt hurts hype* hyped
    hysterical idle ignor* ill-advised ill-conceived ill-fitting illogical immature impersonal
    implausib* impossib* improbab* inaccura* inadequa* inappropriat* inaudible incoheren*
    incomplet* incomprehensib* inconsequential inconsisten* inconvenien* incorrect* indecisive
    indifferen* indulg* ineffective* inept* inert inexplicab* inferior inflated innocuous
    insecure insignifican* insincer* insipid* instead insubstantial insufficien* insult*
    interminab* intrusive irrelevan* irresponsib* irritat* itch* jaded jarring* jumbl* juvenile
    kitsch* labored laboured lack* lackluster lacklustre lag lags lame* late laughless lazily
    lazy leaden leak* lengthy less lethargic lies lifeless* limit* limp limp* listless* lose
    loses losing loss lost loud low low-budget low-quality lukewarm lumber* lurid macabre
    maddening* maladroit manipulat* manufactured marred mawkish* meager meander* mean-spirited
    meaningless* mechanical* mediocr* melodrama* mess messy mindless* mirthless misbegotten
    miscalculat* miscast misfire* misguid* mishandl* mishmash mislead* misogyn* miss missed
    misses missing mistak* misunderst* moldy monoton* morbid moribund muddl* murk* mundane mushy
    narrow nasty needless* negativ* neglect* noise* noisy nonexistent nonsens* nowhere numb*
    obscure obstacle* obvious* odd oddly odor off-putting offputting old old-fashioned
    one-dimensional one-note ordeal outdated outrag* over-the-top overact* overbear* overblown
    overcharg* overcook* overdone overextend* overheat* overkill overlong overly overplay*
    overpriced overprod* overrat* overreach* oversimpl* overstay* overstuff* overwrought padded
    padding pain pains pale pallid pander* paper-thin paltry patchy patroni* peculiar pedantic
    pedestrian peeling perfunctory plagu* plain platitud* plod* plotless ploy* pointless* poor
    poorer poorly pompous ponder* posturing preach* precious predictab* preposterous* pretend*
    pretens* pretentious* problem* prosaic prurient pseudo puerile pummel* puzzl* rambl* random*
    rant ratty recycl* redundan* refund* refus* regret* regurgitat* rehash* reject* remorse*
    repellent repetit* repugnan* retread* returned ridicul* rigid* ripped rip-off ripoff risky
    rough* routine* rude* ruin* rushed rust* sabotag* sad* saddl* sag* salvage* sanitized sappy
    schlock* schmaltz* scattershot scratch* screwed second-rate second-hand self-conscious
    self-important self-indulgen* senseless* sentimental* shabby shaky shallow* sham*
    shenanigan* shock shoddy shortage shortcoming* shortfall* shrill* shriek* sick sickly silly
    simplistic sinks sitcom* skeptic* sketchy skip skipped slack slapdash sleep sleepy slight
    slog sloppi* sloppy slow slow-moving slower slowly slug* sluggish* smell* smelly smug*
    snore* soap soggy soporific sorry soulless* sour spoil* spotty squander* stagger* stagnant
    stagy stale stalled static steep stereotyp* sterile stiff* stilted stolid stopped strain*
    strange* stretched struggl* stuck stuffy stultify* stumbl* stupef* sub-par subpar suffer*
    suffocat* sugar-coated sugary superficial* superfluous suppose* suspicious swamp* syrupy
    tacky tame tangled tasteless* tear* tears tedi* tepid thankless thin thinly threadbare thud
    tire* tired tiresome* tiring toil* too toothless torn tortuous tortur* traged* treacl*
    trick* trifl* trite* trivial* troubl* turgid turkey turn-off ugl* unable unacceptab* unamus*
    unappeal* unattractive unaware unbalanc* unbearab* unbelievab* uncertain unclear
    uncomfortab* unconvinc* underachiev* undercut* underdevelop* underdone undermin* underwhelm*
    underwritten undeserv* undisciplined undone uneasy unengag* uneven* unexcit* unfair*
    unfamiliar unfinished unfocus* unforgivab* unfortunate* unfriendly unfulfill* unfunny
    unhapp* unhealthy unhelpful unimaginative unimpress* uninspir* unintelligib* unintentional*
    uninterest* uninvolv* unlikab* unlikeab* unlucky unmotivated unnatural* unnecessar* unnerv*
    unoriginal* unpersuasive unpleasant* unprofessional unreal unrealistic* unreliab*
    unremarkab* unresolved unresponsive unsafe unsatisf* unsavory unseemly unskill* unstable
    unsubtle unsuccess* unsurprising* unsympath* untru* unusable unwelcome unwieldy unworthy
    upset* used vacant vacuous* vague* vain vapid* vulgar* wannabe warn* warmed-over warped
    weak* wearisome weary weigh* weird* whin* wimp* wish wishing withered wooden* worn worn-out
    worr* worse worsen* wrong* yawn* yell* yuck zero falls_short fall_short falls_flat fall_flat
    falls_apart fell_apart fall_apart too_long too_much too_many too_little too_slow too_small
    could_have should_have would_have might_have better_off at_best one_star two_stars 1_star
    2_stars thumbs_down stay_away stays_away no_fun by_numbers the_numbers your_money money_back
    not_worth never_again the_point second_rate third_rate so_what doesn't_work didn't_work
    stopped_working never_worked rip_off ripped_off even_less runs_out who_cares let_down 👎 😞 😒
    😟 😕 🙁 😔 😢 😭 😤 😠 😡 🤦 🙄 😴 🥱 😬 💔 😩 😫 😖 😣 :( :-( =( :/ :-/
    """,
    "strong_complaint": """
    abomina* abysmal* agoni* agony appall* asinine atroc* awful* bastard* bomb bombs brain-dead
    brainless catastroph* crap* deplorab* despicab* detest* dire disappoint* disast* disgrac*
    disgust* dreadful* dreck drivel dross excrement excruciat* execrab* fiasco foul fraud*
    garbage ghastly gruel* hate hated hateful* hates heinous hell hellish hideous* horrend*
    horrib* horrid* idiocy idiot* imbecil* inan* incompeten* inexcusab* insufferab* intolerab*
    jerk joyless* junk laughab* loath* loser* lousy ludicrous* mind-numbing miserab* misery
    moron* nauseat* nightmar* obnoxious* offend* offensive* painful* pathetic* pitiful* poison*
    repuls* rotten rubbish ruined scam* shame* shameful* shit* stink* stupid* suck sucked sucks
    terrible terribly torment* torture torturous trash* travest* unendurab* unwatchab* useless*
    vile* vomit* waste* worst worthless* wreck* wretch* zero_stars waste_of mind_numbing 🤮 🤢 💩 🤬
    😱
    """,
    "middling": """
    acceptab* adequat* alright average bearab* decent* enough fairly fine forgivab* half
    harmless* inoffensive lightweight middling* mild mildly minor mixed moderate* modest* mostly
    neutral noncommittal ok okay ordinary partial* partly passab* reasonab* relatively
    serviceab* so-so some sometimes somewhat standard sufficient* tolerab* typical* undemanding
    unexceptional usual* watchab* workmanlike hit-or-miss three_stars 3_stars not_bad
    good_enough well_enough nothing_special nothing_more nothing_new no_more at_least at_times
    in_parts hit_and in_between so_so all_right 😐 😑 🤷 🤔 :| :-|
    """,
    "hedge": """
    almost apparently could despite except hope hoped hoping if intended just maybe meant merely
    might nearly only perhaps potential promis* seem* should supposed* tried tries try trying
    unless until wanted wants were would
    """,
}
